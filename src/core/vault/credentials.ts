/** Port: the one credential that goes to an upstream. A client's own token is never among them. */

export interface CredentialQuestion {
  readonly upstreamId: string
  readonly ownerKey: string
}

export interface Credentials {
  /** Header pairs to send; empty where the upstream needs none. Never logged. */
  headersFor(question: CredentialQuestion): readonly (readonly [name: string, value: string])[] | Promise<readonly (readonly [string, string])[]>
}
