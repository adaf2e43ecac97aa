import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { member, toWireText, utf8Of } from './json.ts'
import { isBatch, parseMessage, splitBatch } from './message.ts'
import type { Message, MessageFault } from './message.ts'

function read(text: string): Message {
  const scan = parseMessage(toWireText(text))
  return scan.ok ? scan.value : expect.fail(scan.fault.detail)
}

function faultOf(text: string, maxDepth?: number): MessageFault {
  const scan = parseMessage(toWireText(text), undefined, maxDepth)
  return scan.ok ? expect.fail(`accepted ${text}`) : scan.fault
}

describe('what a message is', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"method":"a"}', 'request', '1', 'a'],
    ['{"jsonrpc":"2.0","id":"x","method":"a","params":{}}', 'request', '"x"', 'a'],
    ['{"jsonrpc":"2.0","id":"","method":"a"}', 'request', '""', 'a'],
    ['{"jsonrpc":"2.0","id":-7,"method":"a"}', 'request', '-7', 'a'],
    ['{"jsonrpc":"2.0","id":12345678901234567890,"method":"a"}', 'request', '12345678901234567890', 'a'],
    ['{"jsonrpc":"2.0","id":"\\u0061","method":"a"}', 'request', '"\\u0061"', 'a'],
    ['{"jsonrpc":"2.0","method":"a\\u0062"}', 'notification', '', 'ab'],
    ['{"jsonrpc":"2.0","method":"a","params":{}}', 'notification', '', 'a'],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', 'result', '1', ''],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}', 'error', '1', ''],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}', 'error', '', ''],
    ['{"jsonrpc":"2.0","error":{"code":1}}', 'error', '', ''],
    [' {"method":"a","jsonrpc":"2.0","x":[1]} ', 'notification', '', 'a'],
    ['{"jsonrpc":"2\\u002e0","method":"a"}', 'notification', '', 'a'],
  ])('%s: %s, id %s', (text, kind, idText, method) => {
    expect(read(text)).toMatchObject({ kind, idText, method })
  })

  it('holds the body that belongs to its kind', () => {
    const body = (text: string): string => {
      const message = read(text)
      return message.text.slice(message.body?.start, message.body?.end)
    }
    expect(body('{"jsonrpc":"2.0","id":1,"method":"a","params":{"p":1}}')).toBe('{"p":1}')
    expect(body('{"jsonrpc":"2.0","id":1,"result":{"r":1}}')).toBe('{"r":1}')
    expect(body('{"jsonrpc":"2.0","id":1,"error":{"code":1}}')).toBe('{"code":1}')
    expect(read('{"jsonrpc":"2.0","id":1,"method":"a"}').body).toBeUndefined()
  })
})

describe('what no message is', () => {
  it.each([
    ['[]', ''], ['1', ''], ['"a"', ''], ['null', ''], ['{}', ''],
    ['{"id":1,"method":"a"}', '1'],
    ['{"jsonrpc":"1.0","id":1,"method":"a"}', '1'],
    ['{"jsonrpc":2.0,"id":1,"method":"a"}', '1'],
    ['{"jsonrpc":"2.0","id":1}', '1'],
    ['{"jsonrpc":"2.0","id":1,"method":5}', '1'],
    ['{"jsonrpc":"2.0","id":1,"method":""}', '1'],
    ['{"jsonrpc":"2.0","id":1,"method":null}', '1'],
    ['{"jsonrpc":"2.0","id":null,"method":"a"}', ''],
    ['{"jsonrpc":"2.0","id":1.5,"method":"a"}', ''],
    ['{"jsonrpc":"2.0","id":1.0,"method":"a"}', ''],
    ['{"jsonrpc":"2.0","id":1e3,"method":"a"}', ''],
    ['{"jsonrpc":"2.0","id":true,"method":"a"}', ''],
    ['{"jsonrpc":"2.0","id":{},"method":"a"}', ''],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":[]}', '1'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":null}', '1'],
    ['{"jsonrpc":"2.0","id":1,"result":[]}', '1'],
    ['{"jsonrpc":"2.0","id":1,"result":null}', '1'],
    ['{"jsonrpc":"2.0","result":{}}', ''],
    ['{"jsonrpc":"2.0","id":null,"result":{}}', ''],
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1}}', '1'],
    ['{"jsonrpc":"2.0","id":1,"error":"x"}', '1'],
    ['{"jsonrpc":"2.0","id":1,"error":{}}', '1'],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":"1"}}', '1'],
  ])('%s is refused, naming id %s', (text, idText) => {
    expect(faultOf(text)).toMatchObject({ reason: 'envelope', idText })
  })

  it.each([
    ['{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}', 'id'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","\\u006dethod":"b"}', 'method'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","name":"y"}}', 'name'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"k":1,"k":2}}}', 'k'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"ref":{"uri":"a","uri":"b"}}}', 'uri'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"a","name":"b"}}}}', 'name'],
    ['{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a","taskId":"b"}}}}', 'taskId'],
    ['{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"a","taskId":"b"}}}', 'taskId'],
  ])('%s says %s twice', (text, key) => {
    expect(faultOf(text)).toMatchObject({ reason: 'duplicate_key', detail: `duplicate key "${key}"` })
  })

  it('never repeats more than the beginning of a name', () => {
    const key = 'k'.repeat(10_000)
    expect(faultOf(`{"${key}":1,"${key}":2}`).detail.length).toBeLessThan(100)
  })

  it('is told apart: no JSON, not UTF-8, too deep', () => {
    expect(faultOf('{"jsonrpc":')).toMatchObject({ reason: 'syntax', detail: 'invalid JSON at byte 11' })
    expect(faultOf('{"a":[[]]}', 2)).toMatchObject({ reason: 'depth', detail: 'nested too deeply' })
    const scan = parseMessage('{"a":"\xff"}')
    expect(scan).toMatchObject({ ok: false, fault: { reason: 'encoding' } })
  })

  it('does not care what the arguments of a tool say twice', () => {
    const message = read('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":1,"x":2}}}')
    expect(member(message.body, 'arguments')?.members).toBeUndefined()
  })
})

describe('a batch', () => {
  it.each([['[]', true], [' \n\t\r[', true], ['{}', false], ['', false], ['"["', false], ['\ufeff[', false]])('begins with a bracket: %j %s', (text, expected) => {
    expect(isBatch(text)).toBe(expected)
  })

  it('is split into the texts of its items', () => {
    expect(splitBatch('[ {"a":1} , 2,"x" ]')).toEqual(['{"a":1}', '2', '"x"'])
    expect(splitBatch('[{}]')).toEqual(['{}'])
  })

  it.each(['[]', '{}', '[1', '[1,]', '1', '[{"a":1,"a":2}]', '[[[[]]]]'])('%s is none', (text) => {
    expect(splitBatch(text, 3)).toBeUndefined()
  })

  it('keeps every byte of what it splits', () => {
    fc.assert(fc.property(fc.array(fc.json({ maxDepth: 3, stringUnit: 'binary' }).filter((one) => !one.includes('"__proto__"')), { minLength: 1 }), (items) => {
      const texts = splitBatch(toWireText(`[${items.join(' ,\n')}]`))
      expect(texts?.map((text) => utf8Of(text))).toEqual(items.map((one) => one.trim()))
    }))
  })
})
