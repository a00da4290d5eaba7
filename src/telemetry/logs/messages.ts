/**
 * Messages of the log that programs may look for: they and the fields that docs/logs.md lists stay as they are within a major version. All other lines are for people, and change.
 */
export const STABLE_MESSAGES = {
  workerRunning: 'the worker is running',
  workerStopped: 'the worker has stopped',
  workerHandedOver: 'the worker was handed over',
  configurationRead: 'the configuration was read again',
  functionRegistered: 'a function was registered',
  functionUnregistered: 'a function was unregistered',
  prewarmed: 'containers were prewarmed',
  invocation: 'invocation',
  spanNew: 'span new',
  spanClose: 'span close',
  webhookGivenUp: 'a webhook could not be delivered; it is given up',
} as const;
