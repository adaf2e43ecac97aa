// The shape of a tool fixture, and the few things that every table of tools uses. Schemas are built once, in the tables:
// the SDK converts a schema per object, and building forty of them for each request costs more than all else.
import type {
  CallToolResult, InputRequiredResult, McpServer, RegisteredTool, ServerContext, StandardSchemaWithJSON, ToolAnnotations,
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { ReferenceState } from './state.ts'

/** A tool's answer: a result, or a request for input that is fulfilled before the call runs again. */
export type ToolAnswer = CallToolResult | InputRequiredResult

/** One tool: registers itself on a server. */
export type ToolFixture = (server: McpServer, state: ReferenceState) => RegisteredTool

type ToolConfig<Input> = {
  readonly description: string
  readonly inputSchema: Input
  readonly outputSchema?: StandardSchemaWithJSON
  readonly title?: string
  readonly annotations?: ToolAnnotations
  readonly _meta?: Record<string, unknown>
}
type Arguments<Input extends StandardSchemaWithJSON> = StandardSchemaWithJSON.InferOutput<Input>
type Call<Input extends StandardSchemaWithJSON> = (
  args: Arguments<Input>,
  ctx: ServerContext,
  state: ReferenceState,
) => ToolAnswer | Promise<ToolAnswer>

const NO_ARGUMENTS = z.object({})

/** A fixture of the tool `name`. `call` may run several times for one call of the client: once for each round of input. */
export function tool<Input extends StandardSchemaWithJSON>(
  name: string,
  config: ToolConfig<Input>,
  call: Call<Input>,
): ToolFixture {
  return (server, state) => {
    const handler: (...args: [Arguments<Input>, ServerContext]) => ToolAnswer | Promise<ToolAnswer> = (args, ctx) =>
      call(args, ctx, state)
    return server.registerTool<StandardSchemaWithJSON, StandardSchemaWithJSON>(name, config, handler)
  }
}

/** A fixture of the tool `name` that takes no arguments. */
export function plainTool(
  name: string,
  description: string,
  call: (ctx: ServerContext, state: ReferenceState) => ToolAnswer | Promise<ToolAnswer>,
  annotations?: ToolAnnotations,
): ToolFixture {
  const config = { description, inputSchema: NO_ARGUMENTS, ...(annotations !== undefined && { annotations }) }
  return tool(name, config, (_args, ctx, state) => call(ctx, state))
}

/** A result of one text. */
export function text(value: string): CallToolResult {
  return { content: [{ type: 'text', text: value }] }
}

/** Whether the request was made at 2026-07-28 or later: only there does a request carry its own envelope. */
export function isModern(ctx: ServerContext): boolean {
  return ctx.mcpReq.envelope !== undefined
}
