import type { Token } from './token.ts';

/** So many tokens are kept; then the oldest go. */
const most = 1000;

/** Tokens by what they are for. Who asks for one that is being fetched gets the same. */
export class TokenCache {
  readonly #tokens = new Map<string, Promise<Token>>();

  /**
   * `fresh` says whether it was fetched for this very call. A fetch that fails is forgotten; who waited for another's
   * tries once on its own, for the other may have been interrupted.
   */
  async get(key: string, fetch: () => Promise<Token>): Promise<{ token: Token; fresh: boolean }> {
    const known = this.#tokens.get(key);
    if (known === undefined) return { token: await this.#fetch(key, fetch), fresh: true };
    const token = await known.catch(() => undefined);
    if (token !== undefined && token.expires > performance.now()) return { token, fresh: false };
    const current = this.#tokens.get(key);
    // While we waited, somebody else may have found the same and begun to fetch.
    if (current !== undefined && current !== known) return { token: await current, fresh: false };
    return { token: await this.#fetch(key, fetch), fresh: true };
  }

  #fetch(key: string, fetch: () => Promise<Token>): Promise<Token> {
    const fetched = fetch();
    this.#tokens.delete(key);
    this.#tokens.set(key, fetched);
    fetched.catch(() => {
      if (this.#tokens.get(key) === fetched) this.#tokens.delete(key);
    });
    for (const oldest of this.#tokens.keys()) {
      if (this.#tokens.size <= most) break;
      this.#tokens.delete(oldest);
    }
    return fetched;
  }

  /** Forgets this token, though not another that has taken its place since. */
  async drop(key: string, token: Token): Promise<void> {
    const known = this.#tokens.get(key);
    if (known === undefined) return;
    const current = await known.catch(() => undefined);
    if (current === token && this.#tokens.get(key) === known) this.#tokens.delete(key);
  }
}
