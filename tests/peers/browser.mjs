// A real Chromium for stories. Every page that a story looks at must be free of console errors and of serious findings of
// axe-core, in light and in dark and on a phone. POSTHASTE_TEST_SHOTS names a folder for pictures.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { strict as assert } from 'node:assert'

const [modules, story, server, ...words] = process.argv.slice(2)
/** The server of the story. */
export const url = server
const require = createRequire(join(modules, 'package.json'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const shots = process.env.POSTHASTE_TEST_SHOTS
const program = process.env.CHROMIUM ?? '/usr/bin/chromium'

const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
const errors = []

/** A browser of one person. */
export async function person() {
  const context = await browser.newContext({ viewport: { width: 1180, height: 800 } })
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  // the answers to refused forms are meant, and that an issuer is away: what a page itself reports is not
  page.on('console', line => line.type() === 'error' && !/status of (4\d\d|503)/.test(line.text()) && errors.push(line.text()))
  page.on('pageerror', error => errors.push(String(error)))
  return page
}

/** Why something was refused. */
export const alert = page => page.getByRole('alert').textContent()

/** Logs somebody in. */
export async function login(page, email, password) {
  await page.goto(`${url}/login`)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
}

/** Looks at the page as it stands: light, dark, narrow; judged by axe-core in both colours. */
export async function look(page, name) {
  for (const [colour, width] of [['light', 1180], ['dark', 1180], ['light', 390], ['dark', 390]]) {
    await page.emulateMedia({ colorScheme: colour })
    await page.setViewportSize({ width, height: 800 })
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    assert.equal(overflow, 0, `${name} is wider than a screen of ${width}`)
    assert.equal(await page.locator('h1').count(), 1, `${name} has one h1`)
    const found = await judge(page)
    const serious = found.violations.filter(each => ['serious', 'critical'].includes(each.impact))
    const told = serious.flatMap(each => each.nodes.map(node => `${each.id}: ${node.html}`))
    assert.deepEqual(told, [], `${name}, ${colour}, ${width}`)
    if (shots) await page.screenshot({ path: join(shots, `${name}-${colour}-${width}.png`), fullPage: true })
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1180, height: 800 })
}

/** axe-core in a world of its own: the page's policy allows no script. */
async function judge(page) {
  const session = await page.context().newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' })
  const contextId = world.executionContextId
  await session.send('Runtime.evaluate', { contextId, expression: axe })
  const expression = 'axe.run(document).then(found => JSON.stringify(found))'
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', { contextId, expression, awaitPromise: true, returnByValue: true })
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails))
  await session.detach()
  return JSON.parse(result.value)
}

/** Tells the story that was asked for. */
export async function tell(stories) {
  try {
    await stories[story](...words)
    assert.deepEqual(errors, [], 'no page reports an error')
    console.log('told')
  } finally {
    await browser.close()
  }
}
