/** Every migration, the oldest first. What was released is never changed: the next change is the next file. */

import type { Migration } from '../migration.ts'
import { STATE } from './0001-state.ts'
import { TASK } from './0002-task.ts'

export const MIGRATIONS: readonly Migration[] = [STATE, TASK]
