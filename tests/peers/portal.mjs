// The customer's portal in a real Chromium. Arguments: the folder with node_modules, a story, the server's URL, what the
// story needs.
import { strict as assert } from 'node:assert'
import { alert, look, person, tell, url } from './browser.mjs'

/** Opens a link; the key is gone from the address. */
async function open(page, link) {
  await page.goto(link)
  await page.getByRole('heading', { level: 1, name: 'Webhooks' }).waitFor()
  assert.ok(!page.url().includes('key') && !page.url().includes('appsk_'), page.url())
}

/** Reloads until there is such a text. */
async function reloaded(page, text) {
  for (let tries = 0; !await page.getByText(text).count(); tries++) {
    assert.ok(tries < 200, `${text} is shown`)
    await page.reload()
  }
}

const stories = {
  async customer(link, receiver, rival, event) {
    const page = await person()
    const asked = []
    page.on('request', request => asked.push(request.url()))
    await open(page, link)
    const home = page.url()
    await page.getByText('Acme Pay').waitFor()
    await look(page, 'portal-webhooks')
    await page.getByRole('link', { name: 'New webhook' }).click()
    await page.getByLabel('Callback URL').fill('http://10.0.0.1/')
    await page.getByRole('button', { name: 'Create webhook' }).click()
    assert.match(await alert(page), /callback URL/)
    await page.getByLabel('Callback URL').fill(receiver)
    await page.getByLabel('Name', { exact: true }).fill('Ledger')
    await page.getByRole('group', { name: 'Events' }).getByRole('checkbox', { name: 'payment.succeeded' }).check()
    await look(page, 'portal-new')
    await page.getByRole('button', { name: 'Create webhook' }).click()
    await page.getByRole('heading', { name: 'The secret' }).waitFor()
    await look(page, 'portal-secret')
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('Tested since its last change').waitFor()
    await page.getByRole('button', { name: 'Rotate secret' }).click()
    await page.getByRole('heading', { name: 'The secret' }).waitFor()
    await page.getByRole('link', { name: 'Change' }).click()
    await page.getByLabel('Name', { exact: true }).fill('General ledger')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('General ledger').waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByLabel('What').selectOption('missing')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByText(/would make 1 deliver/).waitFor()
    await page.getByLabel('What').selectOption('missing')
    await page.getByRole('button', { name: 'Replay' }).click()
    await page.getByText('has ended: 1 deliver').waitFor()
    await look(page, 'portal-webhook')
    await page.getByRole('link', { name: 'Events', exact: true }).click()
    await look(page, 'portal-events')
    await page.getByRole('link', { name: event }).click()
    await reloaded(page, '503')
    await look(page, 'portal-event')
    await page.getByRole('button', { name: 'Resend' }).first().click()
    await reloaded(page, 'by hand')
    await page.getByRole('link', { name: 'Event types' }).click()
    await page.getByText('payment.succeeded').waitFor()
    await look(page, 'portal-event-types')
    await page.goto(url + rival)
    await page.getByRole('heading', { name: 'Not found' }).waitFor()
    await look(page, 'portal-not-found')
    await page.goto(home)
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByText('You are logged out').waitFor()
    await look(page, 'portal-goodbye')
    await page.goto(link)
    await page.getByRole('heading', { name: 'This link has ended' }).waitFor()
    await look(page, 'portal-ended')
    await page.goto(`${url}/portal`)
    await page.getByText('There is no link here').waitFor()
    await look(page, 'portal-no-link')
    const own = asked.filter(path => path.startsWith(url))
    // a browser keeps what stands behind the # to itself; Playwright tells of it all the same
    assert.ok(own.every(path => !path.split('#')[0].includes('appsk_')), 'no address that the server sees holds the token')
  },

  async 'read-only'(link, webhook) {
    const page = await person()
    await open(page, link)
    await page.goto(url + webhook)
    for (const name of ['Send a test', 'Rotate secret', 'Pause', 'Delete', 'Replay', 'Count']) {
      assert.equal(await page.getByRole('button', { name }).count(), 0, name)
    }
    await look(page, 'portal-read-only')
    await page.goto(url + webhook + '/edit')
    assert.match(await alert(page), /lets you look/)
    await look(page, 'portal-not-allowed')
  },

  async expired(link) {
    const page = await person()
    await page.goto(link)
    await page.getByRole('heading', { name: 'This link has ended' }).waitFor()
    assert.match(await alert(page), /Open your webhooks anew/)
    await look(page, 'portal-expired')
  },

  async 'another-link'(link, other) {
    const page = await person()
    await open(page, link)
    await page.getByText('acme').waitFor()
    await open(page, other)
    await page.getByText('rival').waitFor()
    assert.equal(await page.getByText('acme').count(), 0, 'the newest link counts')
    await page.goto(`${url}/portal`)
    await page.getByText('rival').waitFor()
  },

  async frame(link, named, stranger, receiver) {
    const page = await person()
    // the platform's page shows in a frame what stands behind its #
    await page.goto(`${named}#${link}`)
    const inside = page.frameLocator('iframe')
    await inside.getByRole('heading', { level: 1, name: 'Webhooks' }).waitFor()
    assert.equal(await inside.getByRole('button', { name: 'Log out' }).count(), 0)
    await inside.getByRole('link', { name: 'New webhook' }).click()
    await inside.getByLabel('Callback URL').fill(receiver)
    await inside.getByLabel('Every event, also of types to come').check()
    await inside.getByRole('button', { name: 'Create webhook' }).click()
    await inside.getByRole('heading', { name: 'The secret' }).waitFor()
    await inside.getByRole('button', { name: 'Send a test' }).click()
    await inside.getByText('Tested since its last change').waitFor()
    await inside.getByRole('link', { name: 'Webhooks', exact: true }).click()
    await inside.getByRole('link', { name: receiver }).waitFor()
    const outside = await page.context().newPage()
    await outside.goto(`${url}/portal/app`)
    await outside.getByRole('heading', { name: 'This link has ended' }).waitFor()
    const refused = await page.context().newPage()
    const said = refused.waitForEvent('console', line => line.text().includes('frame-ancestors'))
    await refused.goto(`${stranger}#${link}`)
    await said
    const shown = refused.frameLocator('iframe').getByRole('heading', { name: 'Webhooks' })
    assert.equal(await shown.count(), 0, 'a stranger shows nothing of it')
  },

  async brand(email, password, logo) {
    const page = await person()
    await page.goto(`${url}/login`)
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await page.getByRole('link', { name: 'Portal' }).click()
    await page.getByLabel('Name').fill('Acme Pay')
    await page.getByLabel('Colour').fill('green')
    await page.getByRole('button', { name: 'Save' }).click()
    assert.match(await alert(page), /six hexadecimal digits/)
    await page.getByLabel('Colour').fill('#ffd400')
    await page.getByLabel('Logo', { exact: true }).setInputFiles({ name: 'logo.svg', mimeType: 'image/svg+xml', buffer: Buffer.from(logo) })
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved:').waitFor()
    const drawn = await page.locator('img').evaluate(image => image.complete && image.naturalWidth > 0)
    assert.ok(drawn, 'the logo is drawn')
    await look(page, 'portal-brand')
    await page.getByRole('link', { name: 'Applications' }).click()
    await page.getByRole('link', { name: 'acme' }).click()
    await page.getByRole('button', { name: 'Portal link' }).click()
    await page.getByRole('heading', { name: 'The link' }).waitFor()
    await look(page, 'portal-link')
    await page.getByRole('link', { name: 'Open the portal' }).click()
    await page.getByRole('heading', { level: 1, name: 'Webhooks' }).waitFor()
    await page.getByText('Acme Pay').waitFor()
  },
}

await tell(stories)
