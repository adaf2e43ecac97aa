/** An egress that remembers what it was answered, for `doctor`: heads, and the beginning of bodies. */

import type { Egress } from '../../core/upstream/egress.ts'

export interface HttpRecord {
  readonly method: string
  readonly url: string
  /** Epoch milliseconds when it was sent, and when its head came. */
  readonly sentAtMs: number
  headAtMs: number
  /** 0 while there is no answer. */
  status: number
  contentType: string
  /** As sent; '' where missing. */
  date: string
  wwwAuthenticate: string
  location: string
  /** At most 4 KiB. */
  body: string
  /** Why there is no answer; names the origin only. */
  failure: string
}

const BODY_CHARS = 4_096
const MAX_RECORDS = 32

export function observeEgress(egress: Egress, records: HttpRecord[]): Egress {
  return {
    close: () => egress.close(),
    send(request, handler) {
      const record: HttpRecord = {
        method: request.method, url: request.url, sentAtMs: Date.now(), headAtMs: 0, status: 0, contentType: '', date: '', wwwAuthenticate: '', location: '', body: '', failure: '',
      }
      if (records.length < MAX_RECORDS) records.push(record)
      return egress.send(request, {
        onHead(status, header) {
          Object.assign(record, {
            status,
            headAtMs: Date.now(),
            contentType: header('content-type') ?? '',
            date: header('date') ?? '',
            wwwAuthenticate: header('www-authenticate') ?? '',
            location: header('location') ?? '',
          })
          handler.onHead(status, header)
        },
        onChunk(chunk) {
          if (record.body.length < BODY_CHARS) record.body += Buffer.from(chunk).toString('utf8').slice(0, BODY_CHARS)
          handler.onChunk(chunk)
        },
        onEnd: () => handler.onEnd(),
        onFailure(failure) {
          record.failure = failure.detail
          handler.onFailure(failure)
        },
      })
    },
  }
}
