"use strict";
// Renders openapi.json: each operation with a form that sends it.

function element(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

// A value that fits `schema`; arrays have one item.
function example(schema) {
  if ("const" in schema) return schema.const;
  if ("enum" in schema) return schema.enum[0];
  if (schema.anyOf) return example(schema.anyOf[0]);
  switch (schema.type) {
    case "object": {
      const wanted = schema.required ?? schema.oneOf?.[0].required ?? [];
      const properties = Object.entries(schema.properties ?? {});
      return Object.fromEntries(
        properties.filter(([name]) => wanted.includes(name)).map(([name, of]) => [name, example(of)]));
    }
    case "array": return [example(schema.items)];
    case "string": return schema.contentEncoding === "base64" ? "the picture's file in base64" : "";
    default: return 0;
  }
}

function field(label, input) {
  return element("label", {}, label, input);
}

function bodyFields(content) {
  const [kind, { schema }] = Object.entries(content)[0];
  if (kind !== "multipart/form-data") {
    const text = JSON.stringify(example(schema), null, 2);
    return [field(kind, element("textarea", { name: "body", rows: 10, value: text }))];
  }
  return Object.entries(schema.properties).map(([name, of]) => {
    const file = of.format === "picture";
    const input = element("input", { name, type: file ? "file" : "text" });
    if (file) input.accept = "image/*";
    input.required = schema.required.includes(name);
    return field(`${name}: ${of.description}`, input);
  });
}

function request(form, path, method, operation) {
  let address = path;
  for (const { name } of operation.parameters ?? []) {
    address = address.replace(`{${name}}`, encodeURIComponent(form.elements[name].value));
  }
  const options = { method: method.toUpperCase() };
  const content = operation.requestBody?.content;
  if (content?.["multipart/form-data"]) {
    options.body = new FormData(form);
    for (const [name, value] of [...options.body]) if (value === "") options.body.delete(name);
  } else if (content) {
    options.body = form.elements.body.value;
    options.headers = { "Content-Type": "application/json" };
  }
  // Relative to this page, which may be below another path.
  return fetch(new URL(address.slice(1), document.baseURI), options);
}

async function send(form, output, ...asked) {
  output.textContent = "…";
  try {
    const answer = await request(form, ...asked);
    let text = await answer.text();
    if (answer.headers.get("content-type")?.startsWith("application/json")) {
      text = JSON.stringify(JSON.parse(text), null, 2);
    }
    output.textContent = `${answer.status} ${answer.statusText}\n${text}`;
  } catch (error) {
    output.textContent = `not sent: ${error.message}`;
  }
}

function shown(path, method, operation) {
  const output = element("pre", { tabIndex: 0 });
  output.setAttribute("role", "status");
  output.setAttribute("aria-label", "Answer");
  const parameters = (operation.parameters ?? []).map(({ name, schema }) =>
    field(name, element("input", { name, value: example(schema), required: true })));
  const body = operation.requestBody ? bodyFields(operation.requestBody.content) : [];
  const form = element("form", {}, ...parameters, ...body, element("button", {}, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, output, path, method, operation);
  });
  const title = element("summary", {}, element("code", {}, `${method.toUpperCase()} ${path}`),
    ` ${operation.summary}`);
  return element("details", {}, title, form, output);
}

async function load() {
  const about = document.getElementById("about");
  const answer = await fetch("openapi.json");
  if (!answer.ok) {
    about.textContent = (await answer.json()).error;
    return;
  }
  const api = await answer.json();
  about.textContent = api.info.description;
  const sections = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [tag] = operation.tags;
      if (!sections.has(tag)) sections.set(tag, element("section", {}, element("h2", {}, tag)));
      sections.get(tag).append(shown(path, method, operation));
    }
  }
  document.getElementById("operations").append(...sections.values());
}

load();
