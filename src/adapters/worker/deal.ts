/**
 * Connections are accepted in one process and dealt to workers in turn, a connection at a time to each: whoever is busy gets
 * fewer. One that a worker refuses because it drains, or that was on its way to one that died, goes to the next; only one that
 * a worker neither takes nor refuses in time, since it hangs, is ended. It is kept open here until a worker has said that it takes it, which it says before it reads from it. (node:cluster deals in the same
 * way, but forgets what was on its way to a worker that died: such a client waits for ever.)
 */

import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { Clock } from '../../core/clock.ts'

/** The way to one worker: a child process with a channel. */
export interface DealChannel {
  send(message: object, socket: Socket, options: { readonly keepOpen: boolean }, done: (error: Error | null) => void): boolean
  on(event: 'message', take: (message: unknown) => void): unknown
}

export interface Dealer {
  /** A server to accept with, once for each address. */
  open(): Server
  /** A worker that serves. Returns what takes it out, when it has ended and all that it said was read. */
  join(channel: DealChannel): () => void
  /** Resolves when a worker took all that was accepted, when none can, or after `limitMs`. */
  settled(limitMs: number): Promise<void>
  /** Accepts nothing more; what nobody took yet is closed. */
  close(): void
}

interface Dealt {
  readonly id: number
  readonly socket: Socket
  readonly stopTimer: () => void
}

interface Member {
  readonly channel: DealChannel
  /** It refused one: it takes none any more. */
  isLeaving: boolean
  /** On its way there. */
  dealt: Dealt | undefined
}

/** Connections that no worker could take yet; further ones are closed at once, and so is one that waited for too long: for a worker, or for its answer. */
const MAX_WAITING = 4_096
const WAIT_MS = 5_000
const LOOK_MS = 10

export const DEAL = 'connection'
/** Any other answer than a refusal. */
export const TAKEN = 'taken'
export const REFUSED = 'refused'

export function createDealer(clock: Clock): Dealer {
  const servers: Server[] = []
  const members: Member[] = []
  const waiting = new Map<Socket, () => void>()
  let lastId = 0
  let isClosed = false

  function accept(socket: Socket): void {
    // Nobody reads here: it can only break.
    socket.on('error', () => drop(socket))
    take(socket)
  }

  function take(socket: Socket): void {
    // Not writable: it was ended, or its client is gone.
    if (isClosed || !socket.writable || waiting.size >= MAX_WAITING) return void socket.destroy()
    waiting.set(socket, clock.after(WAIT_MS, () => drop(socket)))
    deal()
  }

  function drop(socket: Socket): void {
    waiting.get(socket)?.()
    waiting.delete(socket)
    socket.destroy()
  }

  function deal(): void {
    for (const [socket, stopTimer] of waiting) {
      const member = members.find(({ dealt, isLeaving }) => dealt === undefined && !isLeaving)
      if (member === undefined) return
      waiting.delete(socket)
      stopTimer()
      give(member, socket)
    }
  }

  function give(member: Member, socket: Socket): void {
    const id = ++lastId
    const dealt = { id, socket, stopTimer: clock.after(WAIT_MS, () => setImmediate(giveUp)) }
    /** One turn later: the answer may have come while this process was stopped. Says it to the worker's duplicate, too, and nobody else gets it. */
    function giveUp(): void {
      if (member.dealt === dealt) socket.destroySoon()
    }
    member.dealt = dealt
    // Whoever was given one comes last from now on.
    members.push(...members.splice(members.indexOf(member), 1))
    // Where it cannot be sent the worker is gone, and that will be said.
    member.channel.send({ kind: DEAL, id }, socket, { keepOpen: true }, () => undefined)
  }

  function answered(member: Member, message: unknown): void {
    if (typeof message !== 'object' || message === null || !('kind' in message) || !('id' in message)) return
    const { dealt } = member
    if (dealt === undefined || message.id !== dealt.id) return
    member.dealt = undefined
    dealt.stopTimer()
    member.isLeaving = message.kind === REFUSED
    if (member.isLeaving) return take(dealt.socket)
    dealt.socket.destroy()
    deal()
  }

  function isSettled(): boolean {
    return members.every(({ isLeaving }) => isLeaving) || (waiting.size === 0 && members.every(({ dealt }) => dealt === undefined))
  }

  return {
    open() {
      // The worker reads the first byte.
      const server = createServer({ pauseOnConnect: true, noDelay: true }, accept)
      servers.push(server)
      return server
    },
    join(channel) {
      const member: Member = { channel, isLeaving: false, dealt: undefined }
      members.push(member)
      channel.on('message', (message) => answered(member, message))
      deal()
      return () => {
        const at = members.indexOf(member)
        if (at >= 0) members.splice(at, 1)
        const { dealt } = member
        member.dealt = undefined
        dealt?.stopTimer()
        if (dealt !== undefined) take(dealt.socket)
      }
    },
    settled(limitMs) {
      const endAtMs = clock.ticksMs() + limitMs
      return new Promise((resolve) => {
        const look = (): void => {
          if (isSettled() || clock.ticksMs() >= endAtMs) resolve()
          else clock.after(LOOK_MS, look)
        }
        look()
      })
    },
    close() {
      isClosed = true
      for (const server of servers) server.close()
      for (const socket of waiting.keys()) drop(socket)
    },
  }
}
