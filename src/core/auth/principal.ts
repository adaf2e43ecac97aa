/** Who asks. Keys are compared, stored and sealed; scopes are in neither, because they are checked on each request. */

export interface Principal {
  /** Tenant, issuer, subject: owns tasks, credentials, idempotency keys. */
  readonly ownerKey: string
  /** `ownerKey`, client and actor chain: owns sessions, parked calls, cursors. */
  readonly bindingKey: string
  /** For people and records: never a secret. */
  readonly label: string
  readonly scopes: ReadonlySet<string>
}
