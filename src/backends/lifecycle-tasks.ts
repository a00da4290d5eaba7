import { profileThisThread } from '../telemetry/profile/cpu-profile.js';
import { imageTasks } from './oci/image-tasks.js';
import { processTasks } from './process/tasks.js';

/** Everything the life-cycle pool can do, by name. */
export const lifecycleTasks = { ...processTasks, ...imageTasks, cpuProfile: profileThisThread };
