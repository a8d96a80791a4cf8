// The dashboard in a real Chromium. Arguments: the folder with node_modules, a story, the server's URL, what the story
// needs.
import { strict as assert } from 'node:assert'
import { alert, login, look, person, tell, url } from './browser.mjs'

const stories = {
  async 'first-run'(code, email, password) {
    const page = await person()
    await page.goto(url)
    await page.getByRole('heading', { name: 'Set up Posthaste' }).waitFor()
    await look(page, 'setup')
    await page.getByLabel('Setup code').fill('a guess')
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Create Admin' }).click()
    assert.match(await alert(page), /is not the one that the server printed/)
    await look(page, 'setup-refused')
    await page.getByLabel('Setup code').fill(code)
    assert.equal(await page.getByLabel('E-mail').inputValue(), email)
    await page.getByLabel('Password').fill(password)
    await page.getByLabel('Password').press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    await page.goBack()
    await page.goto(`${url}/test/`)
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    assert.match(await alert(page), /wrong/)
    await look(page, 'login-refused')
    await login(page, email, password)
  },

  async overview(email, password, broken) {
    const page = await person()
    await login(page, email, password)
    await page.getByText('Oldest undelivered').waitFor()
    for (let tries = 0; !await page.getByRole('cell', { name: broken }).count(); tries++) {
      assert.ok(tries < 200, 'the failing endpoint is shown')
      await page.reload()
    }
    await page.getByRole('img', { name: /Deliveries by the hour/ }).waitFor()
    await page.getByRole('img', { name: /Deliveries by the minute: \d+ accepted, \d+ delivered/ }).waitFor()
    await look(page, 'overview')
  },

  async webhook(email, password, receiver) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Applications' }).click()
    await look(page, 'applications')
    await page.getByRole('link', { name: 'Bridge' }).click()
    await page.getByRole('link', { name: 'New webhook' }).click()
    await page.getByLabel('Callback URL').fill('http://10.0.0.1/')
    await page.getByLabel('Name', { exact: true }).fill('Ledger')
    await page.getByLabel('Search events').fill('payment')
    await page.getByRole('button', { name: 'Search' }).click()
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Ledger')
    await page.getByRole('group', { name: 'Events' }).getByRole('checkbox').nth(1).check()
    await look(page, 'webhook-new')
    await page.getByRole('button', { name: 'Create webhook' }).click()
    assert.match(await alert(page), /callback URL/)
    await look(page, 'webhook-refused')
    await page.getByLabel('Callback URL').fill(receiver)
    await page.getByLabel('Callback URL').press('Enter')
    await page.getByRole('heading', { name: 'The secret' }).waitFor()
    await page.getByText('not tested since its last change').waitFor()
    await look(page, 'webhook-secret')
    await page.reload()
    assert.equal(await page.getByRole('heading', { name: 'The secret' }).count(), 0)
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('Tested since its last change').waitFor()
    await look(page, 'webhook-tested')
    await page.getByRole('button', { name: 'Rotate secret' }).click()
    await page.getByRole('heading', { name: 'The secret' }).waitFor()
    await page.getByText('not tested since its last change').waitFor()
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('Tested since its last change').waitFor()
    await page.getByRole('link', { name: 'Change' }).click()
    await page.getByLabel('Name', { exact: true }).fill('General ledger')
    await look(page, 'webhook-change')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('General ledger').waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    assert.match(await page.getByRole('status').first().textContent(), /Paused/)
    await page.getByRole('button', { name: 'Resume' }).click()
    for (let nth = 2; nth <= 11; nth++) {
      await page.goto(page.url().replace(/endpoint\/.*/, 'endpoint/new'))
      await page.getByLabel('Callback URL').fill(receiver)
      await page.getByLabel('Every event, also of types to come').check()
      await page.getByRole('button', { name: 'Create webhook' }).click()
    }
    assert.match(await alert(page), /there are 10 already/)
    await page.getByRole('link', { name: 'Bridge' }).click()
    await look(page, 'application')
    await page.getByRole('link', { name: receiver }).last().click()
    await page.getByText('Delete …').click()
    await page.getByRole('button', { name: 'Delete' }).click()
    assert.match(await page.getByRole('status').textContent(), /is deleted/)
    await page.getByRole('link', { name: 'Event types' }).click()
    await look(page, 'event-types')
  },

  async event(email, password, event) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Events' }).click()
    await look(page, 'events')
    await page.getByRole('link', { name: event }).click()
    for (let tries = 0; !await page.getByText('503').count(); tries++) {
      assert.ok(tries < 200, 'the failed attempt is shown')
      await page.reload()
    }
    assert.equal(await page.getByText('bucket.example').count(), 0)
    await page.getByRole('listitem').getByRole('link', { name: /^20/ }).first().click()
    await page.getByText('back at 9, sir.').waitFor()
    await look(page, 'event-failed')
    await page.getByRole('button', { name: 'Resend' }).click()
    for (let tries = 0; !await page.getByText('by hand').count(); tries++) {
      assert.ok(tries < 200, 'the repeated attempt is shown')
      await page.reload()
    }
    await look(page, 'event-resent')
    await page.getByRole('link', { name: 'Show all values' }).click()
    await page.getByText('bucket.example').waitFor()
  },

  async replay(email, password, count) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Applications' }).click()
    await page.getByRole('link', { name: 'acme' }).click()
    await page.getByRole('cell').getByRole('link').first().click()
    await page.getByLabel('What').selectOption('all')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByText(`would make ${count} deliveries again`).waitFor()
    await page.getByLabel('What').selectOption('all')
    await page.getByRole('button', { name: 'Replay' }).click()
    await page.getByRole('progressbar', { name: 'Replay' }).waitFor()
    // the page reads itself anew while the replay runs: nobody presses anything
    await page.getByText(`has ended: ${count} deliveries`).waitFor()
    // what was put in place can be copied, too
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByRole('button', { name: 'Copy id' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    assert.ok(page.url().endsWith(await page.evaluate('navigator.clipboard.readText()')))
    await look(page, 'replay')
  },

  async viewer(email, password, webhook) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Sources' }).click()
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await look(page, 'sources')
    await page.getByRole('button', { name: 'Copy URL' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const door = await page.evaluate('navigator.clipboard.readText()')
    assert.match(door, /^http:\/\/[^ ]+\/in\/\w+$/)
    await page.getByText(door, { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Users' }).click()
    await page.getByLabel('E-mail').fill('vera@example.com')
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Add user' }).click()
    const vera = await person()
    await login(vera, 'vera@example.com', password)
    await vera.goto(url + webhook)
    await vera.getByRole('button', { name: 'Copy id' }).waitFor()
    for (const name of ['Send a test', 'Rotate secret', 'Pause', 'Delete', 'Replay']) {
      assert.equal(await vera.getByRole('button', { name }).count(), 0, name)
    }
    await look(vera, 'viewer')
    await vera.goto(url + webhook.replace(/endpoint\/.*/, 'endpoint/new'))
    assert.match(await alert(vera), /takes an Admin/)
    await look(vera, 'not-allowed')
  },

  async users(email, password) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Users' }).click()
    await page.getByLabel('E-mail').fill('vera@example.com')
    await page.getByLabel('Password').fill(password)
    await page.getByLabel('Role').selectOption('viewer')
    await page.getByRole('button', { name: 'Add user' }).click()
    assert.match(await page.getByRole('status').textContent(), /vera@example.com can log in now/)
    await look(page, 'users')
    const vera = await person()
    await login(vera, 'vera@example.com', password)
    assert.equal(await vera.getByRole('link', { name: 'Users' }).count(), 0)
    await page.getByRole('button', { name: 'Delete vera@example.com' }).click()
    assert.match(await page.getByRole('status').textContent(), /deleted/)
    await vera.reload()
    await vera.getByRole('heading', { name: 'Log in' }).waitFor()
  },
}

await tell(stories)
