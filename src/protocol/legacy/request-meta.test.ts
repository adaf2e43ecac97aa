import { expect, it } from 'vitest'
import { readRequestMeta } from './request-meta.ts'

it.each([[undefined, undefined], [{}, undefined], [{ progressToken: 'a', x: 1 }, 'a'], [{ progressToken: 7 }, 7]])(
  'reads the progress token of %j',
  (meta, progressToken) => expect(readRequestMeta(meta)).toEqual({ ok: true, value: { progressToken } }),
)

it.each([
  [null, undefined], [[], undefined], ['x', undefined], [{ progressToken: null }, 'progressToken'],
  [{ progressToken: 1.5 }, 'progressToken'],
])(
  'refuses %j',
  (meta, key) => expect(readRequestMeta(meta)).toMatchObject({ ok: false, fault: { reason: 'wrong_type', key } }),
)
