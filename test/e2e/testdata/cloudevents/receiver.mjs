// A receiver of CloudEvents as the JavaScript SDK has it: it knows nothing of
// the sidecar but the form of a result. Usage: node receiver.mjs SOCKET
import http from "node:http";
import { HTTP } from "cloudevents";

http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const event = HTTP.toEvent({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    event.validate();
    console.log(JSON.stringify(event));
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(event.data.object?.deletionTimestamp ? { deleted: true } : { status: { version: event.data.object?.version } }));
  } catch (error) {
    console.error(error);
    response.writeHead(400).end();
  }
}).listen(process.argv[2]);
