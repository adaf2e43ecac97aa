// A skill with a supporting file in a folder of its own, so that relative references, manifests and directories can be seen.
import { memorySkillFiles, SkillsExtension } from '@modelcontextprotocol/server/ext/skills'

const SKILL = `---
name: try-portolan
description: Try what a gateway for MCP does to a server's tools, resources and prompts
license: Apache-2.0
metadata:
  level: beginner
---

# Try a gateway

1. Call \`test_simple_text\`: its text must be the one in [the expected answers](references/answers.md).
2. Read \`test://static-text\`, and compare.
`
const ANSWERS = `# Expected answers

- \`test_simple_text\`: This is a simple text response for testing.
- \`test://static-text\`: This is the content of the static text resource.
`

/** Served as `skill://guides/try-portolan/SKILL.md` on every server that it is attached to. */
export const SKILLS = await SkillsExtension.load(
  memorySkillFiles({ 'try-portolan/SKILL.md': SKILL, 'try-portolan/references/answers.md': ANSWERS }),
  { prefix: 'guides', strict: true, cacheHint: { ttlMs: 60_000, cacheScope: 'public' } },
)
