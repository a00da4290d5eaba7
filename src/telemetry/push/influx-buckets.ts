import type { InfluxSinkConfig } from '../../config/sections/metrics.js';
import { type InfluxAnswer, influxRequest } from './influx-request.js';

/** Makes a bucket (version 2) or a database (version 1) that is not there; one that is stays as it is. Rejects when the server will not. */
export async function createBucket(config: InfluxSinkConfig, bucket: string, signal: AbortSignal): Promise<void> {
  await (config.api === 'v1' ? createDatabase(config, bucket, signal) : createInOrganisation(config, bucket, signal));
}

async function createDatabase(config: InfluxSinkConfig, name: string, signal: AbortSignal): Promise<void> {
  const kept = config.retentionHours === 0 ? '' : ` WITH DURATION ${config.retentionHours}h REPLICATION 1 NAME "kept"`;
  const ask = (q: string) => influxRequest(config, 'POST', '/query', { q }, signal);
  // Creating one that is there with another duration is an error of the server.
  const { text } = wellAnswered(await ask('SHOW DATABASES'));
  const { results } = JSON.parse(text) as { results?: { series?: { values?: string[][] }[] }[] };
  if (results?.[0]?.series?.[0]?.values?.some(([known]) => known === name)) return;
  const quoted = `"${name.replace(/["\\]/g, (character) => `\\${character}`)}"`;
  const created = wellAnswered(await ask(`CREATE DATABASE ${quoted}${kept}`));
  const { error } = (JSON.parse(created.text) as { results?: { error?: string }[] }).results?.[0] ?? {};
  if (error !== undefined) throw new Error(`the database "${name}" cannot be made: ${error}`);
}

async function createInOrganisation(config: InfluxSinkConfig, name: string, signal: AbortSignal): Promise<void> {
  const { org } = config;
  const found = await influxRequest(config, 'GET', '/api/v2/buckets', { org, name }, signal);
  // Servers of version 1.8 have /api/v2/write and no buckets: what is missing there is said when it is written to.
  const unknown = found.status === 404 && !/bucket/i.test(found.text);
  if (unknown) return;
  if (found.status !== 404) {
    const { buckets = [] } = JSON.parse(wellAnswered(found).text) as { buckets?: { name: string }[] };
    if (buckets.some((bucket) => bucket.name === name)) return;
  }
  const organisations = wellAnswered(await influxRequest(config, 'GET', '/api/v2/orgs', { org }, signal));
  const orgID = (JSON.parse(organisations.text) as { orgs?: { id: string }[] }).orgs?.[0]?.id;
  if (orgID === undefined) throw new Error(`there is no organisation "${org}"`);
  const everySeconds = config.retentionHours * 3600;
  const retentionRules = everySeconds === 0 ? [] : [{ type: 'expire', everySeconds }];
  const text = JSON.stringify({ orgID, name, retentionRules });
  const created = await influxRequest(config, 'POST', '/api/v2/buckets', {}, signal, {
    text,
    type: 'application/json',
  });
  // 422: another worker was first.
  if (created.status !== 422) wellAnswered(created);
}

function wellAnswered(answer: InfluxAnswer): InfluxAnswer {
  const { status, text } = answer;
  if (status < 200 || status >= 300) throw new Error(`the server answered ${status}: ${text.slice(0, 300)}`);
  return answer;
}
