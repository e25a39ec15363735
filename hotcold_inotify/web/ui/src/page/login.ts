// Rule: the token goes to the server and nowhere else: not into the address, not into storage.

import { AskError, login } from "../wire/ask";
import { el, put, say } from "./element";

/** The form that stands in for everything until the server knows the reader. */
export function loginForm(entered: () => void): HTMLElement {
  const token = el("input", {
    id: "token",
    name: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    "aria-describedby": "token-said",
    "data-testid": "token",
  });
  const said = el("p", { id: "token-said", class: "login-said", role: "alert", "data-testid": "login-said" });
  const send = el("button", { type: "submit", class: "primary" }, "Log in");
  const form = el(
    "form",
    { class: "login", "data-testid": "login", "aria-labelledby": "login-title" },
    el("h1", { id: "login-title" }, "Log in"),
    el("p", {}, "This host shows its pictures to whoever has its token. It is in the token file that its configuration names."),
    el("label", { for: "token" }, "Token"),
    token,
    said,
    send,
  );
  const enter = async (): Promise<void> => {
    put(send, "disabled", true);
    say(said, "");
    try {
      if (await login(token.value, new AbortController().signal)) return entered();
      say(said, "That is not the token.");
      put(token, "aria-invalid", "true");
      token.select();
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      say(said, error.message);
    } finally {
      put(send, "disabled", false);
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void enter();
  });
  return form;
}
