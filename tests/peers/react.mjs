// Svix's hooks for React in a page of another origin, in a real Chromium. Arguments: the folder with node_modules, the
// story, the server's URL, the platform's page, what the page shows.
import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { person, tell, url } from './browser.mjs'

const modules = process.argv[2]
const esbuild = createRequire(join(modules, 'package.json'))('esbuild')

/** The page's script, made for these words. */
async function bundle(words) {
  const define = Object.fromEntries(Object.entries(words).map(([name, value]) => [name, JSON.stringify(value)]))
  const built = await esbuild.build({
    entryPoints: [fileURLToPath(new URL('hooks.jsx', import.meta.url))],
    nodePaths: [join(modules, 'node_modules')],
    define: { ...define, 'process.env.NODE_ENV': '"production"' },
    jsx: 'automatic', bundle: true, write: false, logLevel: 'silent',
  })
  return built.outputFiles[0].text
}

const stories = {
  async hooks(platform, link, APP, ENDPOINT, RECEIVER, event) {
    const TOKEN = new URL(link).hash.slice('#key='.length)
    const script = await bundle({ LINK: link, TOKEN, APP, ENDPOINT, RECEIVER, SERVER: url })
    const server = createServer((_, response) => response.setHeader('content-type', 'text/javascript').end(script))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const page = await person()
    // the platform's page runs the script that stands behind its #
    await page.goto(`${platform}#http://127.0.0.1:${server.address().port}/`)
    const endpoints = page.getByRole('region', { name: 'Endpoints' })
    const attempts = page.getByRole('region', { name: 'Attempts' })
    await endpoints.getByRole('listitem').nth(1).waitFor()
    assert.equal(await endpoints.getByRole('listitem').count(), 2)
    await endpoints.getByRole('button', { name: 'Next Endpoints' }).click()
    await endpoints.getByText('first').waitFor() // the newest came first
    assert.equal(await endpoints.getByRole('listitem').count(), 1)
    await attempts.getByText(`${event} 200`).waitFor()
    await page.getByRole('region', { name: 'Event types' }).getByText('order.paid').waitFor()
    await page.getByText(/Secret: whsec_/).waitFor()
    const saved = page.waitForResponse(answer => answer.request().method() === 'PUT')
    await page.getByRole('button', { name: 'Save' }).click()
    assert.equal((await saved).status(), 200)
    await page.reload()
    await endpoints.getByRole('button', { name: 'Next Endpoints' }).click()
    await endpoints.getByText('Saved by a page').waitFor()
    const portal = page.frameLocator('iframe')
    await portal.getByRole('heading', { level: 1, name: 'Webhooks' }).waitFor()
    await portal.getByText('Saved by a page').waitFor()
    assert.equal(await page.getByRole('alert').count(), 0)
    server.closeAllConnections()
    server.close()
  },
}

await tell(stories)
