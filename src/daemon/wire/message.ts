/** google.protobuf.Timestamp: since 1970, nanoseconds counted forward from the second. */
export interface WireTime {
  readonly seconds: number;
  readonly nanos: number;
}

export interface WireMount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

export type WireLabels = Readonly<Record<string, string>>;

export interface WireInfo {
  readonly name: string;
  readonly parent: string;
  readonly kind: 'UNKNOWN' | 'VIEW' | 'ACTIVE' | 'COMMITTED';
  readonly createdAt: WireTime | null;
  readonly updatedAt: WireTime | null;
  readonly labels: WireLabels;
}

export interface WireDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: WireLabels;
}

export type Empty = Readonly<Record<string, never>>;
