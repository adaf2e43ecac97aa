/**
 * The formats of what one version of Portolan writes and another reads: what clients hold, and what passes between replicas.
 * Two versions that follow each other run side by side during an upgrade, so a format changes in two releases (decision 0018):
 * one reads the next number and still writes the former, the release after it writes it. Members may be added to a format at any
 * time: readers overlook what they do not know, and do without what is not there.
 */

export interface Format {
  readonly writes: number
  /** What is not among these is refused before anything is done with it. */
  readonly reads: readonly number[]
}

export const FORMATS = {
  /** The first byte of a handle. What clients hold lives on: a number leaves `reads` only when nothing of it can be held any more. */
  handle: { writes: 1, reads: [1] },
  /** Of the link between replicas. Who opens a connection says it; who is asked goes on in that format, and says in its welcome that it does. */
  peer: { writes: 1, reads: [1] },
  /** An exchange on its way to the replica that owns what it needs. */
  exchange: { writes: 1, reads: [1] },
  /** What replicas say of a server's child that one of them runs for all. */
  channel: { writes: 1, reads: [1] },
  hint: { writes: 1, reads: [1] },
} as const satisfies Readonly<Record<string, Format>>

export function isRead({ reads }: Format, number: unknown): number is number {
  return reads.some((one) => one === number)
}
