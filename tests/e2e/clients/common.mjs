// What the tests of all clients share: where the servers are, and scripts.
export const cluster = process.env.CLUSTER;
export const scripted = process.env.SCRIPTED;
export const question = "What is 37 + 48?";
export const answer = "7+8=15, 3+4+1=8. The answer is 85.";

// The scripted gateway answers with this text; special tokens are spelled in it.
export const say = (text, order = "") => `${order}say:${text}:end`;

const begin = "<｜tool▁calls▁begin｜>", end = "<｜tool▁calls▁end｜>";
export const call = (name, args) =>
  `<｜tool▁call▁begin｜>${name}<｜tool▁sep｜>${args}<｜tool▁call▁end｜>`;
export const calls = (...all) => begin + all.join("") + end;

// A counter of the cluster's gateway.
export async function metric(name) {
  const text = await (await fetch(`${cluster}/metrics`)).text();
  const line = text.split("\n").find((l) => l.startsWith(name));
  return line ? Number(line.split(" ").pop()) : 0;
}

// Until `holds()` says so; the test's own limit of time ends it otherwise.
export async function eventually(holds) {
  while (!(await holds())) await new Promise((resume) => setTimeout(resume, 20));
}

export const weather = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
};
