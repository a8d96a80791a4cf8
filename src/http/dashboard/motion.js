// What moves on a page: while something goes on, it is read anew and its content put in place. And what can be copied.
'use strict'

const content = document.querySelector('main')
/** The shortest wait, in seconds: also of a page whose next one is wanted at once. */
const WAIT_MIN = 0.2

/** Waits until the page, or the one behind it, is wanted. */
function wait() {
  const { again, then } = document.body.dataset
  if (again !== undefined) setTimeout(() => read(then ?? location.href), Math.max(again, WAIT_MIN) * 1000)
}

/** Reads a page and shows what it holds; not while nobody looks, and not under the hands of somebody who types. */
async function read(path) {
  const focused = content.contains(document.activeElement) ? document.activeElement : undefined
  if (document.hidden || focused?.matches('input, select, textarea')) return wait()
  let page
  try {
    const answer = await fetch(path)
    if (answer.redirected || !answer.ok) return location.assign(path)
    page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  } catch {
    return wait() // the server is away for a moment
  }
  content.replaceChildren(...page.querySelector('main').childNodes)
  offer()
  if (focused) [...content.querySelectorAll('a, button, summary')].find(each => each.isEqualNode(focused))?.focus()
  for (const name of ['again', 'then']) {
    if (page.body.dataset[name] === undefined) delete document.body.dataset[name]
    else document.body.dataset[name] = page.body.dataset[name]
  }
  history.replaceState(null, '', path)
  wait()
}

/** Shows the buttons that copy, where the browser lets them. */
function offer() {
  for (const button of document.querySelectorAll('button[data-copies]')) button.hidden = navigator.clipboard === undefined
}

document.addEventListener('click', async ({ target }) => {
  const button = target.closest('button[data-copies]')
  if (!button) return
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent)
  button.textContent = 'Copied'
})
offer()
wait()
