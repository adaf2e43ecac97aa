/**
 * How V8 is to collect a gateway's garbage (decision 0006). Every call lives for milliseconds, but V8 sees those that were in
 * flight during a collection survive, decides that calls live long, and from then on makes them in old space, where each one
 * keeps all it points to until the next full collection: scavenges of 16 to 22 ms instead of 4 to 9 ms, one every 130 ms or
 * so under load, in three interleaved pairs of runs. So that decision is switched off, before the first call.
 *
 * What is in flight during two collections lands in old space all the same. V8 would let a small heap grow to four times what
 * lives in it before it looks there; 1.7 times held 194 to 205 MB where that held 222 to 242 MB (peak of the benchmark's legacy
 * cases, five runs taking turns), with a full collection, some 60 ms of a helper thread, every few seconds at most.
 */

import { setFlagsFromString } from 'node:v8'

export function tuneCollector(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
  setFlagsFromString('--heap-growing-percent=70')
}
