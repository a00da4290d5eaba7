/** What is read of Docker's answers. Fields that are left out are not looked at. */

export interface Version {
  /** Of Docker: "20.10.24". */
  readonly Version: string;
  /** Newest and oldest version of the API that it speaks: "1.41". */
  readonly ApiVersion: string;
  readonly MinAPIVersion?: string;
}

export interface Info {
  /** `cgroupfs`, `systemd`, `none` */
  readonly CgroupDriver: string;
  /** "1", "2" */
  readonly CgroupVersion?: string;
  readonly LiveRestoreEnabled: boolean;
  readonly SecurityOptions: readonly string[] | null;
}

export interface ContainerState {
  readonly Status: string;
  readonly Running: boolean;
  readonly OOMKilled: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  /** `0001-01-01T00:00:00Z` = never. */
  readonly StartedAt: string;
}

export interface ContainerDetails {
  readonly Id: string;
  readonly State: ContainerState;
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
}

export interface ContainerSummary {
  readonly Id: string;
  /** Each with a slash before it. */
  readonly Names: readonly string[];
  /** `created`, `running`, `exited`, `dead`, … */
  readonly State: string;
}

export interface DockerEvent {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  /** Seconds since 1970. */
  readonly time: number;
}

export interface ImageDetails {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly Created?: string;
  readonly Config: {
    readonly Env?: string[] | null;
    readonly Entrypoint?: string[] | null;
    readonly Cmd?: string[] | null;
    readonly Labels?: Record<string, string> | null;
    readonly User?: string;
    readonly WorkingDir?: string;
  } | null;
  readonly RootFS: { readonly Layers?: string[] };
}

export interface NetworkSummary {
  readonly Id: string;
  readonly Name: string;
  readonly Options: Readonly<Record<string, string>> | null;
}
