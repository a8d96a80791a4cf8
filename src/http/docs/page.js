"use strict";
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};

/** A value that a schema allows, as people would write it. */
const example = (schema, all, depth = 0) => {
  if (schema.$ref) return depth > 5 ? {} : example(all[schema.$ref.split("/").pop()], all, depth + 1);
  if (schema.anyOf) return example(schema.anyOf[0], all, depth);
  if (schema.enum) return schema.enum[0];
  const kind = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (kind === "array") return [example(schema.items, all, depth + 1)];
  if (kind === "object") {
    const fields = Object.entries(schema.properties ?? {}).filter(([, field]) => !field.readOnly).map(([name, field]) => [name, example(field, all, depth + 1)]);
    return Object.fromEntries(fields);
  }
  if (kind === "string") return schema.format === "date-time" ? "2026-11-22T08:30:00Z" : "text";
  return kind === "boolean" ? true : schema.minimum ?? 0;
};

const shape = (content, all) => make("pre", JSON.stringify(example(content["application/json"].schema, all), null, 2));

const draw = (method, path, operation, all) => {
  const details = make("details");
  const summary = make("summary");
  summary.append(make("span", method.toUpperCase(), "method"), make("code", path, operation.deprecated ? "old" : ""));
  summary.append(make("span", " " + operation.summary, "dim"));
  details.append(summary);
  details.dataset.text = `${method} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase();
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    if (operation.parameters.length > 0) {
      const table = make("table");
      for (const parameter of operation.parameters) {
        const row = make("tr");
        const type = parameter.schema.enum?.join(" | ") ?? parameter.schema.type;
        row.append(make("td", parameter.name), make("td", `${parameter.in}, ${type}`, "dim"), make("td", parameter.description));
        table.append(row);
      }
      details.append(table);
    }
    if (operation.requestBody) details.append(make("p", "Takes"), shape(operation.requestBody.content, all));
    for (const [status, response] of Object.entries(operation.responses).filter(([status]) => status < "300")) {
      details.append(make("p", `Gives ${status}`));
      if (response.content) details.append(shape(response.content, all));
    }
  });
  return details;
};

const page = async () => {
  const spec = await (await fetch("/api/v1/openapi.json")).json();
  document.getElementById("about").append(` Version ${spec.info.version}. ${spec.info.description}`);
  const [nouns, main] = [document.getElementById("nouns"), document.getElementById("operations")];
  for (const { name } of spec.tags) {
    const heading = make("h2", name);
    heading.id = name.replaceAll(" ", "-");
    const link = make("a", name);
    link.href = `#${heading.id}`;
    nouns.append(link);
    main.append(heading);
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (operation.tags[0] === name) main.append(draw(method, path, operation, spec.components.schemas));
      }
    }
  }
  document.getElementById("find").addEventListener("input", ({ target }) => {
    for (const details of main.querySelectorAll("details")) details.hidden = !details.dataset.text.includes(target.value.toLowerCase());
  });
};
page();
