/** One request to an operations socket, between the processes of one Portolan. */

import { request as ask } from 'node:http'

/** Rejects where nobody is there, it hangs, or answers with anything but 200. */
export function answerOf(socketPath: string, method: 'GET' | 'POST', path: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = ask({ socketPath, method, path, headers: { host: 'localhost' }, signal: AbortSignal.timeout(timeoutMs) }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'))
        else reject(new Error(`${path} answered ${answer.statusCode}`))
      })
    })
    asked.on('error', reject)
    asked.end()
  })
}
