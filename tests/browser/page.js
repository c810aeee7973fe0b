// The page: it calls whatever it is told to, with the client that a browser's program would have.
// Nothing here knows an RPC by name, so a new one needs nothing here.

import { fromJson, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "generated/google/rpc/error_details_pb.js";
import { whoIsThis } from "documented";
import * as customers from "generated/threadline/v1/customer_service_pb.js";
import * as interactions from "generated/threadline/v1/interaction_service_pb.js";

const services = [...Object.values(customers), ...Object.values(interactions)].filter(
  (it) => it.kind === "service",
);

/** Calls one after the other, and what each gave. */
window.run = async ({ server, key, calls }) => {
  const given = [];
  for (const call of calls) {
    const asked = call.path ? byFetch : call.documented ? byTheBook : byGrpcWeb;
    given.push(await asked(server, key, call));
  }
  return given;
};

/** `{rpc, request, take, timeout_ms, meanwhile}`; a stream is left after `take` messages. */
async function byGrpcWeb(server, key, { rpc, request, take, timeout_ms: timeoutMs, meanwhile }) {
  const service = services.find((it) => it.methods.some((method) => method.name === rpc));
  const method = service.methods.find((it) => it.name === rpc);
  const client = createClient(service, createGrpcWebTransport({ baseUrl: server }));
  const message = fromJson(method.input, request ?? {});
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const json = (answer) => toJson(method.output, answer, { useProtoFieldName: true });
  const leaving = new AbortController();
  const options = { headers, timeoutMs, signal: leaving.signal };
  try {
    if (method.methodKind === "unary") {
      return { answer: json(await client[method.localName](message, options)) };
    }
    const answers = [];
    for await (const answer of client[method.localName](message, options)) {
      answers.push(json(answer));
      if (answers.length === 1) {
        await window.run({ server, key, calls: meanwhile ?? [] });
      }
      if (answers.length === take) {
        leaving.abort();
        break;
      }
    }
    return { answers };
  } catch (error) {
    return { error: readable(ConnectError.from(error)) };
  }
}

/** What a page can read of an error. */
function readable(error) {
  const [reason] = error.findDetails(ErrorInfoSchema).map((it) => it.reason);
  const bad = error.findDetails(BadRequestSchema).flatMap((it) => it.fieldViolations);
  const [retry] = error.findDetails(RetryInfoSchema);
  return {
    code: Code[error.code],
    message: error.rawMessage,
    reason,
    fields: bad.map((it) => `${it.field} ${it.description}`),
    retry: retry !== undefined,
  };
}

/** `{documented}`: an id, as docs/rest.md does it. */
async function byTheBook(server, key, { documented }) {
  return { answer: await whoIsThis(server, key, documented) };
}

/** `{path, method, body}`: REST, as `fetch` has it. */
async function byFetch(server, key, { path, method, body }) {
  const headers = { "content-type": "application/json" };
  if (key) {
    headers.authorization = `Bearer ${key}`;
  }
  try {
    const answer = await fetch(`${server}${path}`, { method, headers, body: body && JSON.stringify(body) });
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
  } catch (error) {
    return { error: { message: String(error) } };
  }
}
