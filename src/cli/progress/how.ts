/** How a blob has come to its target, for people. */
export const hows = {
  pushed: 'pushed',
  mounted: 'mounted',
  exists: 'already there',
  copied: 'copied',
} as const;
