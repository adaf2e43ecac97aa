/**
 * `notifications/tasks` of one task at a modern server, by a `subscriptions/listen` of its own. Polling stands behind it:
 * a server that does not agree, or a listen that ends, costs latency and no news.
 */

import { asciiJson, member, readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { mirrorHeaders } from '../../protocol/modern/request-headers.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { CallControl } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'

const METHOD = 'subscriptions/listen'

export interface TaskWatch {
  readonly upstream: Upstream
  readonly ownerKey: string
  /** The server's own id. */
  readonly taskId: string
  /** What the client declared, wire text. */
  readonly capabilities: WireText
  readonly run: (message: Message) => void
}

/** Calls `run` with each; returns a function that ends it. `ready`: whether the server agreed. */
export function watchTask(context: GatewayContext, watch: TaskWatch): { readonly ready: Promise<boolean>; stop(): void } {
  const { promise: ready, resolve } = Promise.withResolvers<boolean>()
  let control: CallControl | undefined
  let isStopped = false
  const stop = (): void => {
    isStopped = true
    resolve(false)
    control?.abort('no longer needed')
    control = undefined
  }
  open(context, watch, {
    lost: () => {
      control = undefined
      resolve(false)
    },
    acknowledged: (agreed) => {
      resolve(agreed)
      if (!agreed) stop()
    },
  }).then(
    (opened) => {
      control = opened
      if (isStopped) stop()
    },
    () => resolve(false),
  )
  return { ready, stop }
}

interface ListenEvents {
  lost(): void
  acknowledged(agreed: boolean): void
}

async function open({ deps, selfText }: GatewayContext, watch: TaskWatch, { lost, acknowledged }: ListenEvents): Promise<CallControl> {
  const { upstream, ownerKey, taskId, capabilities, run } = watch
  const channel = await upstream.modern()
  const credentials = await deps.credentials.headersFor({ upstreamId: upstream.id, ownerKey })
  const idText = channel.nextId()
  const meta = `{"${META.protocolVersion}":"${channel.revision}","${META.clientInfo}":${selfText},"${META.clientCapabilities}":${capabilities}}`
  return channel.send({
    text: `{"jsonrpc":"2.0","id":${idText},"method":"${METHOD}","params":{"notifications":${asciiJson({ taskIds: [taskId] })},"_meta":${meta}}}`,
    idText,
    method: METHOD,
    progressToken: '',
    headers: channel.transport === 'stdio' ? [] : [...mirrorHeaders(METHOD, ''), ...credentials],
    handler: {
      onMessage(message) {
        if (message.method === 'notifications/subscriptions/acknowledged') acknowledged(agrees(message, taskId))
        else if (message.method === 'notifications/tasks') run(message)
        return true
      },
      onResponse: lost,
      onFailure: lost,
    },
  })
}

function agrees({ text, body }: Message, taskId: string): boolean {
  const node = member(body, 'notifications')
  const filter = node === undefined ? undefined : readJson(text, node)
  const taskIds = isJsonObject(filter) ? filter['taskIds'] : undefined
  return Array.isArray(taskIds) && taskIds.includes(taskId)
}
