// What a page asks of the server. Every request carries the key that came with the address. The title of a page is its
// command.

const STORED = "tutelage-token";

function takeToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(STORED, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(STORED) ?? "";
}

const token = takeToken();

// The address of another start, opened in the same tab, changes only what is behind the #.
addEventListener("hashchange", () => location.reload());

export class Trouble extends Error {
  // `wait` is the number of seconds after which it may work, where the server says so.
  constructor(message, status, wait = 0) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

export async function ask(path, options = {}) {
  const headers = {"X-Tutelage-Token": token, ...options.headers};
  let response;
  try {
    response = await fetch(path, {...options, headers, credentials: "omit"});
  } catch {
    throw new Trouble(`The server does not answer. Is ${document.title} still running in the terminal?`, 0);
  }
  if (response.ok) return response;
  if (response.status === 403) {
    throw new Trouble(`Open the address that ${document.title} printed in the terminal: it holds the key of this start.`, 403);
  }
  const said = await response.json().catch(() => ({}));
  throw new Trouble(`${said.error ?? "that did not work"}`, response.status, Number(response.headers.get("Retry-After")));
}

export async function get(name, query = {}) {
  const words = new URLSearchParams(query).toString();
  return (await ask(`/api/${name}${words && "?" + words}`)).json();
}

export async function post(name, body = {}) {
  const headers = {"Content-Type": "application/json"};
  return (await ask(`/api/${name}`, {method: "POST", headers, body: JSON.stringify(body)})).json();
}

// The content of a file as an address for an <img>: a browser sends no key for images.
export function asAddress(content) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(content);
  });
}
