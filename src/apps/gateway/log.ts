/** Logs on standard error: JSON lines for machines, short lines for people. Standard output is never theirs. */

import { Writable } from 'node:stream'
import { pino } from 'pino'
import type { LogEvent } from '../../core/gateway/context.ts'
import { visible } from './visible-text.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

type Fields = Readonly<Record<string, string | number | boolean>>

export interface Log {
  readonly debug: (fields: Fields, message: string) => void
  readonly info: (fields: Fields, message: string) => void
  readonly warn: (fields: Fields, message: string) => void
  readonly error: (fields: Fields, message: string) => void
  /** The shape that core logs in. */
  readonly event: (event: LogEvent) => void
}

export interface LogOptions {
  readonly level: LogLevel
  /** Lines for people instead of JSON. */
  readonly human: boolean
  readonly colour: boolean
  /** The number of a worker, in each of its lines. */
  readonly worker?: number
  readonly write: (text: string) => void
}

/** What `process.stderr` asks for: people read a terminal; NO_COLOR (no-color.org) is honoured. */
export function standardErrorOptions(level: LogLevel): LogOptions {
  const human = process.stderr.isTTY === true
  const colour = human && (process.env['NO_COLOR'] ?? '') === ''
  return { level, human, colour, write: (text) => void process.stderr.write(text) }
}

/** `fields` are bounded texts without secrets and without message content: whoever logs sees to that. */
export function createLog(options: LogOptions): Log {
  const destination = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      options.write(options.human ? humanLine(String(chunk), options.colour) : String(chunk))
      done()
    },
  })
  const logger = pino(
    { level: options.level, base: { pid: process.pid, ...(options.worker === undefined ? {} : { worker: options.worker }) }, formatters: { level: (label) => ({ level: label }) }, messageKey: 'message' },
    destination,
  )
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    event: ({ level, event, fields }) => logger[level](fields ?? {}, event),
  }
}

const COLOURS: Readonly<Record<string, string>> = { debug: '\u001b[2m', info: '\u001b[36m', warn: '\u001b[33m', error: '\u001b[31m' }
const PLAIN = '\u001b[0m'

/** `12:03:04 warn  A message  server=files detail="two words"`; of a worker `12:03:04 warn  2: A message` */
function humanLine(json: string, colour: boolean): string {
  const { level, time, pid: _pid, worker, message, ...fields }: Record<string, unknown> = JSON.parse(json)
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const name = String(level)
  const label = colour ? `${COLOURS[name] ?? ''}${name.padEnd(5)}${PLAIN}` : name.padEnd(5)
  // What is empty tells a program that it is, and a reader nothing.
  const pairs = Object.entries(fields).flatMap(([key, value]) => (value === '' ? [] : [` ${key}=${fieldText(value)}`]))
  const whose = worker === undefined ? '' : `${String(worker)}: `
  return `${clock} ${label} ${whose}${visible(String(message))} ${pairs.join('')}`.trimEnd() + '\n'
}

function fieldText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\w./:@+-]+$/.test(text) ? text : visible(JSON.stringify(text))
}
