/** All behaviours, in the order of the page. */
import { ANNOUNCEMENTS, REPORTS } from './behaviours-report.ts'
import { BATCHES } from './behaviours-batch.ts'
import { BEGIN } from './behaviours-begin.ts'
import { CALLS, LISTS, READS } from './behaviours-ask.ts'
import { EVERYTHING } from './behaviours-everything.ts'
import { EXTENSION } from './behaviours-extension.ts'
import { INPUT } from './behaviours-input.ts'
import { TASKS } from './behaviours-task.ts'
import type { Group } from './cell.ts'

export const GROUPS: readonly Group[] = [BEGIN, LISTS, CALLS, READS, REPORTS, ANNOUNCEMENTS, INPUT, TASKS, EXTENSION, BATCHES, EVERYTHING]
