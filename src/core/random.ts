/** Randomness, as core sees it. */

export interface Random {
  /** In [0, 1): for jitter, never for secrets. */
  fraction(): number
  /** An unguessable identifier: at least 128 bits, of `[A-Za-z0-9_-]`. The first is no hyphen: people give some to commands, where that begins an option. */
  id(): string
}
