import type { InfluxSinkConfig } from '../../config/sections/metrics.js';
import { type InfluxAnswer, influxRequest } from './influx-request.js';

/**
 * Makes a bucket (version 2) or a database (version 1) that the server has said is not there; who may only write never gets here. Rejects when the server will not.
 */
export async function createBucket(config: InfluxSinkConfig, bucket: string, signal: AbortSignal): Promise<void> {
  await (config.api === 'v1' ? createDatabase(config, bucket, signal) : createInOrganisation(config, bucket, signal));
}

async function createDatabase(config: InfluxSinkConfig, name: string, signal: AbortSignal): Promise<void> {
  const kept = config.retentionHours === 0 ? '' : ` WITH DURATION ${config.retentionHours}h REPLICATION 1 NAME "kept"`;
  const quoted = `"${name.replace(/["\\]/g, (character) => `\\${character}`)}"`;
  const q = `CREATE DATABASE ${quoted}${kept}`;
  const { text } = wellAnswered(await influxRequest(config, 'POST', '/query', { q }, signal));
  const { error } = (JSON.parse(text) as { results?: { error?: string }[] }).results?.[0] ?? {};
  if (error !== undefined) throw new Error(`the database "${name}" cannot be made: ${error}`);
}

async function createInOrganisation(config: InfluxSinkConfig, name: string, signal: AbortSignal): Promise<void> {
  const { org } = config;
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
