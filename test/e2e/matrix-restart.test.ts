/**
 * A slice of the bridge matrix through nginx, while the three replicas behind it are restarted by SIGTERM, one after the other: calls that last, with what comes meanwhile,
 * announcements and tasks, at every server, for the client of each era that hides nothing. test/long/matrix-cluster.test.ts runs all of it, with each adapter of hints.
 */
import { describe, it } from 'vitest'
import { ANNOUNCEMENTS, REPORTS } from '../matrix/behaviours-report.ts'
import { TASKS } from '../matrix/behaviours-task.ts'
import { BALANCED } from '../matrix/replicated.ts'
import { judgeRestarted, runRestarting } from '../matrix/restarting.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()
const nginx = await findNginx()

describe.skipIf(postgres === undefined || nginx === undefined)('the bridge matrix while three replicas restart', () => {
  it('is as whole, but for what a drain ends', { timeout: 400_000 }, async () => {
    const seats = BALANCED.filter(({ client }) => client.id === 'raw-legacy' || client.id === 'raw-modern')
    judgeRestarted(await runRestarting({ databaseUrl: (await postgres?.newDatabase()) ?? '', seats, groups: [REPORTS, ANNOUNCEMENTS, TASKS] }))
  })
})
