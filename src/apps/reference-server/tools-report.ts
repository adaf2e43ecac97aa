// Tools that say something while they run: progress, log messages, a stream that closes before the answer.
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerContext } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { plainTool, text, tool } from './tool.ts'
import type { ToolFixture } from './tool.ts'

const STEP_MS = 50
const RECONNECT_WINDOW_MS = 100
const LONGEST_WAIT_MS = 600_000
const LOGGER = 'reference-server'

const WAIT = z.object({
  milliseconds: z.number().int().min(0).max(LONGEST_WAIT_MS).default(1000),
  steps: z.number().int().min(1).max(1000).default(1).describe('How many progress notifications to spread over the wait'),
})
const BURST = z.object({
  count: z.number().int().min(0).max(10_000).default(10).describe('How many progress notifications to send at once'),
  bytes: z.number().int().min(0).max(4_194_304).default(0).describe('The length of the text in the result'),
})

/** Sends progress to a client that asked for it: a notification without a token of the client's is forbidden (progress). */
async function report(ctx: ServerContext, progress: number, total: number, message: string): Promise<void> {
  const progressToken = ctx.mcpReq._meta?.progressToken
  if (progressToken === undefined) return
  await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total, message } })
}

/** Progress, logging, waiting and stream closure. */
export const REPORT_TOOLS: readonly ToolFixture[] = [
  plainTool('test_tool_with_logging', 'Logs three messages while it runs', async (ctx) => {
    await ctx.mcpReq.log('info', 'Tool execution started', LOGGER)
    await delay(STEP_MS)
    await ctx.mcpReq.log('info', 'Tool processing data', LOGGER)
    await delay(STEP_MS)
    await ctx.mcpReq.log('info', 'Tool execution completed', LOGGER)
    return text('Tool with logging executed successfully')
  }),
  plainTool('test_logging_tool', 'Logs one message of each of three levels', async (ctx) => {
    for (const level of ['debug', 'info', 'error'] as const) {
      await ctx.mcpReq.log(level, { fixture: 'test_logging_tool', level }, LOGGER)
    }
    return text('Logged at debug, info and error')
  }),
  plainTool('test_tool_with_progress', 'Reports 0, 50 and 100 of 100', async (ctx) => {
    await report(ctx, 0, 100, 'Completed step 0 of 100')
    await delay(STEP_MS)
    await report(ctx, 50, 100, 'Completed step 50 of 100')
    await delay(STEP_MS)
    await report(ctx, 100, 100, 'Completed step 100 of 100')
    return text(String(ctx.mcpReq._meta?.progressToken ?? 'no-progress-token'))
  }),
  tool(
    'test_burst',
    { description: 'Reports progress many times without a pause, then answers with a long text', inputSchema: BURST },
    async ({ count, bytes }, ctx) => {
      for (let step = 1; step <= count; step += 1) await report(ctx, step, count, `Step ${step}`)
      return text('x'.repeat(bytes))
    },
  ),
  tool(
    'test_wait',
    { description: 'Waits and reports progress; test://cancelled-calls counts the calls that were cancelled', inputSchema: WAIT },
    async ({ milliseconds, steps }, ctx, state) => {
      const { signal } = ctx.mcpReq
      const count = (): void => state.countCancelledCall()
      signal.addEventListener('abort', count, { once: true })
      try {
        for (let step = 1; step <= steps; step += 1) {
          await delay(milliseconds / steps, undefined, { signal })
          await report(ctx, step, steps, `Waited ${step} of ${steps}`)
        }
      } finally {
        signal.removeEventListener('abort', count)
      }
      return text(`Waited ${milliseconds} ms`)
    },
  ),
  plainTool('test_reconnection', 'Closes the stream of its own call: the client has to resume it', async (ctx) => {
    // Only sessions of 2025-11-25 over HTTP have streams that can be resumed; elsewhere this is a plain call.
    ctx.http?.closeSSE?.()
    await delay(RECONNECT_WINDOW_MS)
    return text('Reconnection test completed successfully: the result arrived although its stream had closed')
  }),
]
