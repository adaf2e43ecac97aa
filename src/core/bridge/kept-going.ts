/** Servers at which an owner's kept tasks go on (decision 0019): in which of its sessions there nobody knows any more, once they are told by the store alone. */

import type { GatewayContext } from '../gateway/context.ts'
import type { TaskQuery } from '../task/task-store.ts'

const PAGE = 100
const GOING = ['queued', 'running', 'asking'] as const satisfies TaskQuery['phases']

/** Rejects with `state_unavailable`. */
export async function keptGoingAt({ owned }: Pick<GatewayContext, 'owned'>, ownerKey: string): Promise<ReadonlySet<string>> {
  const upstreamIds = new Set<string>()
  let after: TaskQuery['after']
  for (let isMore = owned !== undefined; isMore; ) {
    const { tasks = [] } = (await owned?.store.list({ ownerKey, phases: GOING, count: PAGE, after })) ?? {}
    for (const { origin } of tasks) if (origin.adopted !== undefined) upstreamIds.add(origin.upstreamId)
    after = tasks.at(-1)
    isMore = tasks.length === PAGE
  }
  return upstreamIds
}
