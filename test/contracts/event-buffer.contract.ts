/** What every EventBuffer must do. */
import { describe, expect, it } from 'vitest'
import type { EventBuffer, Replay } from '../../src/core/session/event-buffer.ts'

export interface EventBufferRig {
  readonly buffer: EventBuffer
  pass(ms: number): void
}

export interface EventBufferBounds {
  readonly bufferedEvents: number
  readonly bufferedEventBytes: number
  readonly bufferedEventAgeMs: number
}

function texts(replay: Replay): readonly string[] | Replay['kind'] {
  return replay.kind === 'events' ? replay.events.map((event) => event.text) : replay.kind
}

export function testEventBuffer(name: string, open: (bounds: EventBufferBounds) => EventBufferRig): void {
  const bounds = { bufferedEvents: 10, bufferedEventBytes: 1_000_000, bufferedEventAgeMs: 1_000 }

  describe(`EventBuffer contract: ${name}`, () => {
    it('gives each event of a session an id of its own, of visible ASCII', () => {
      const { buffer } = open(bounds)
      const ids = ['a', 'b', 'a', 'a_1', 'b'].map((stream) => buffer.append('s', stream, 'x'))
      expect(new Set(ids).size).toBe(ids.length)
      for (const id of ids) expect(id).toMatch(/^[\x21-\x7e]+$/)
    })

    it('replays what came after an event on its stream, in order and under the same ids', () => {
      const { buffer } = open(bounds)
      const first = buffer.append('s', 'a', '')
      buffer.append('s', 'b', 'other')
      const second = buffer.append('s', 'a', 'two')
      const third = buffer.append('s', 'a', 'three')
      expect(buffer.replayAfter('s', first)).toEqual({
        kind: 'events',
        streamId: 'a',
        events: [
          { eventId: second, text: 'two' },
          { eventId: third, text: 'three' },
        ],
      })
      expect(texts(buffer.replayAfter('s', third))).toEqual([])
    })

    it('gives all of a session to another, which goes on as if it had sent it', () => {
      const { buffer } = open(bounds)
      const { buffer: other } = open(bounds)
      const first = buffer.append('s', 'a', '')
      const second = buffer.append('s', 'b', 'two')
      const third = buffer.append('s', 'a', 'three')
      expect(buffer.all('s').map(({ streamId, eventId, text }) => [streamId, eventId, text])).toEqual([['a', first, ''], ['b', second, 'two'], ['a', third, 'three']])
      expect(buffer.all('nobody')).toEqual([])
      other.restore('s', buffer.all('s'))
      const fourth = other.append('s', 'a', 'four')
      expect(new Set([first, second, third, fourth]).size).toBe(4)
      expect(texts(other.replayAfter('s', first))).toEqual(['three', 'four'])
      expect(texts(other.replayAfter('s', second))).toEqual([])
      other.restore('s', [{ streamId: 'c', eventId: 'c_1', text: 'late' }])
      expect(texts(other.replayAfter('s', 'c_1'))).toBe('unknown')
    })

    it('knows no event of another session, no event that never was, no garbage', () => {
      const { buffer } = open(bounds)
      const id = buffer.append('s', 'a', 'x')
      buffer.append('other', 'b', 'x')
      expect(texts(buffer.replayAfter('other', id))).toBe('unknown')
      expect(texts(buffer.replayAfter('nobody', id))).toBe('unknown')
      for (const garbage of ['', '_', 'a', 'a_', '__proto___1', `${id}0`, `${id} `, id.toUpperCase(), `x${id}`]) {
        expect(texts(buffer.replayAfter('s', garbage)), garbage).toBe('unknown')
      }
    })

    it('keeps so many events per session, and says expired only where something was missed', () => {
      const { buffer } = open(bounds)
      const ids = Array.from({ length: 15 }, (_, at) => buffer.append('s', 'a', String(at)))
      expect(texts(buffer.replayAfter('s', ids[0] ?? ''))).toBe('expired')
      expect(texts(buffer.replayAfter('s', ids[3] ?? ''))).toBe('expired')
      // The event itself is gone, but none after it.
      expect(texts(buffer.replayAfter('s', ids[4] ?? ''))).toEqual(['5', '6', '7', '8', '9', '10', '11', '12', '13', '14'])
      expect(texts(buffer.replayAfter('s', ids[12] ?? ''))).toEqual(['13', '14'])
    })

    it('lets a busy stream push out a quiet one, and tells the quiet one so', () => {
      const { buffer } = open(bounds)
      const quiet = [buffer.append('s', 'quiet', 'q1'), buffer.append('s', 'quiet', 'q2')]
      for (let at = 0; at < 10; at++) buffer.append('s', 'busy', 'b')
      expect(texts(buffer.replayAfter('s', quiet[0] ?? ''))).toBe('expired')
      expect(texts(buffer.replayAfter('s', quiet[1] ?? ''))).toEqual([])
    })

    it('does not count what other sessions keep', () => {
      const { buffer } = open(bounds)
      const id = buffer.append('s', 'a', '')
      buffer.append('s', 'a', 'mine')
      for (let at = 0; at < 50; at++) buffer.append('other', 'a', 'x')
      expect(texts(buffer.replayAfter('s', id))).toEqual(['mine'])
    })

    it('keeps so many bytes per session', () => {
      const { buffer } = open({ ...bounds, bufferedEventBytes: 10_000 })
      const ids = Array.from({ length: 4 }, (_, at) => buffer.append('s', 'a', String(at).repeat(4_000)))
      expect(texts(buffer.replayAfter('s', ids[0] ?? ''))).toBe('expired')
      expect(buffer.replayAfter('s', ids[1] ?? '')).toMatchObject({ events: [{ eventId: ids[2] }, { eventId: ids[3] }] })
      const tooLarge = buffer.append('s', 'a', 'x'.repeat(20_000))
      expect(texts(buffer.replayAfter('s', ids[3] ?? ''))).toBe('expired')
      expect(texts(buffer.replayAfter('s', tooLarge))).toEqual([])
    })

    it('keeps events so long', () => {
      const { buffer, pass } = open(bounds)
      const first = buffer.append('s', 'a', 'one')
      const second = buffer.append('s', 'a', 'two')
      pass(600)
      const third = buffer.append('s', 'a', 'three')
      pass(600)
      expect(texts(buffer.replayAfter('s', first))).toBe('expired')
      expect(texts(buffer.replayAfter('s', second))).toEqual(['three'])
      expect(texts(buffer.replayAfter('s', third))).toEqual([])
    })

    it('gives no id twice, even where stream and session were forgotten between', () => {
      const { buffer, pass } = open(bounds)
      const ids = [buffer.append('s', 'a', 'x')]
      buffer.dropStream('s', 'a')
      ids.push(buffer.append('s', 'a', 'x'))
      pass(10_000)
      ids.push(buffer.append('s', 'a', 'x'))
      expect(texts(buffer.replayAfter('s', ids[0] ?? ''))).toBe('expired')
      expect(new Set(ids).size).toBe(3)
    })

    it('forgets a stream, and keeps the others', () => {
      const { buffer } = open(bounds)
      const gone = buffer.append('s', 'a', '')
      const kept = buffer.append('s', 'b', '')
      buffer.append('s', 'a', 'x')
      buffer.append('s', 'b', 'y')
      buffer.dropStream('s', 'a')
      buffer.dropStream('s', 'never')
      expect(texts(buffer.replayAfter('s', gone))).toBe('unknown')
      expect(texts(buffer.replayAfter('s', kept))).toEqual(['y'])
      for (let at = 0; at < 9; at++) buffer.append('s', 'c', 'z')
      expect(texts(buffer.replayAfter('s', kept))).toEqual(['y'])
    })

    it('forgets a session', () => {
      const { buffer } = open(bounds)
      const id = buffer.append('s', 'a', '')
      buffer.dropSession('s')
      buffer.dropSession('s')
      expect(texts(buffer.replayAfter('s', id))).toBe('unknown')
    })

    it('appends as fast with much kept as with little', () => {
      const appendMs = (bufferedEvents: number): number => {
        const { buffer } = open({ ...bounds, bufferedEvents, bufferedEventAgeMs: 1e9 })
        for (let at = 0; at < bufferedEvents; at++) buffer.append('s', `x${at % 50}`, 'x')
        const startMs = performance.now()
        for (let at = 0; at < 5_000; at++) buffer.append('s', `x${at % 50}`, 'x')
        return performance.now() - startMs
      }
      appendMs(100)
      // A copy of 50,000 entries per append would take seconds.
      expect(appendMs(50_000)).toBeLessThan(appendMs(100) * 10 + 200)
    })
  })
}
