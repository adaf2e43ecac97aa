// Tools that change what the server lists or serves, so that clients are told.
import { z } from 'zod'
import type { ListName } from './state.ts'
import { plainTool, text, tool } from './tool.ts'
import type { ToolFixture } from './tool.ts'

const TRIGGERS: readonly (readonly [name: string, list: ListName])[] = [
  ['test_trigger_tool_change', 'tools'],
  ['test_trigger_prompt_change', 'prompts'],
  ['test_trigger_resource_change', 'resources'],
]
const TOUCH = z.object({ uri: z.string().default('test://watched-resource') })

/** Triggers of list changes and of resource updates. */
export const CHANGE_TOOLS: readonly ToolFixture[] = [
  ...TRIGGERS.map(([name, list]) =>
    plainTool(name, `Shows or hides one entry of the list of ${list}`, (_ctx, state) => {
      state.toggle(list)
      return text(`The list of ${list} changed`)
    }),
  ),
  tool(
    'test_trigger_resource_update',
    { description: 'Announces that a resource changed', inputSchema: TOUCH },
    ({ uri }, _ctx, state) => {
      state.touch(uri)
      return text(`Announced ${uri}`)
    },
  ),
]

/** The tool that `test_trigger_tool_change` shows and hides. */
export const OPTIONAL_TOOL: ToolFixture = plainTool(
  'test_optional_tool',
  'Listed after an odd number of test_trigger_tool_change calls',
  () => text('The optional tool was there'),
)
