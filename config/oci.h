/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What config.json says, as checked C structs: all of OCI runtime-spec 1.3.0 for Linux and its `vm`
 * object. Names are the specification's, in lower case with underscores.
 *
 * An absent string is NULL (so is an empty one where empty means nothing: hostname, labels, paths
 * of namespaces, …), a member that is null counts as absent, an absent list has a count of 0, an
 * absent number or boolean whose default is not 0 or false is one of the optional types. Lists of
 * strings end with a NULL beside their count. Everything hangs in one arena and is given back by
 * oci_config_free().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/arena.h"

#define OCI_VERSION "1.3.0"

/* Optional scalars: `value` counts only where `set`. */
struct optional_bool {
	bool set;
	bool value;
};
struct optional_i32 {
	bool set;
	int32_t value;
};
struct optional_u32 {
	bool set;
	uint32_t value;
};
struct optional_i64 {
	bool set;
	int64_t value;
};
struct optional_u64 {
	bool set;
	uint64_t value;
};

/* A member of an object that is a map from strings to strings (annotations, sysctl, unified). */
struct key_value {
	char *key;
	char *value;
};

struct string_list {
	char **items; /* NULL-terminated, NULL when the list is absent */
	size_t count;
};

struct key_value_list {
	struct key_value *items;
	size_t count;
};

/* linux.uidMappings and the like; ids and sizes fit 32 bits. */
struct oci_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

struct oci_id_mappings {
	struct oci_id_mapping *items;
	size_t count;
};

/* ---- process (config.md, "Process") --------------------------------------------------------- */

struct oci_rlimit {
	int type; /* RLIMIT_… */
	uint64_t soft, hard;
};

/* Capability sets as masks of 1 << CAP_…; a name this build does not know is in `unknown`. */
struct oci_capabilities {
	bool set; /* the object is there; absent means: no capability is changed */
	uint64_t bounding, effective, inheritable, permitted, ambient;
	struct string_list unknown;
};

struct oci_scheduler {
	bool set;
	int policy; /* SCHED_… */
	int32_t nice;
	int32_t priority;
	uint64_t flags;			    /* SCHED_FLAG_… */
	uint64_t runtime, deadline, period; /* nanoseconds */
};

struct oci_io_priority {
	bool set;
	int class; /* IOPRIO_CLASS_… */
	int32_t priority;
};

struct oci_user {
	uid_t uid;
	gid_t gid;
	struct optional_u32 umask;
	gid_t *additional_gids;
	size_t n_additional_gids;
};

struct oci_process {
	bool set;
	bool terminal;
	struct {
		bool set;
		uint16_t height, width; /* characters */
	} console_size;
	struct oci_user user;
	struct string_list args;
	struct string_list env; /* NAME=value */
	char *cwd;
	struct oci_capabilities capabilities;
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	char *apparmor_profile;
	struct optional_i32 oom_score_adj;
	char *selinux_label;
	struct oci_scheduler scheduler;
	struct oci_io_priority io_priority;
	struct {
		char *initial, *final; /* checked lists of CPUs, such as "0-3,7" */
	} exec_cpu_affinity;
};

/* ---- mounts (config.md, "Mounts") ----------------------------------------------------------- */

struct oci_mount {
	char *destination;
	char *type;
	char *source;
	struct string_list options;
	struct oci_id_mappings uid_mappings, gid_mappings;
};

/* ---- hooks (config.md, "POSIX-platform Hooks") ---------------------------------------------- */

struct oci_hook {
	char *path;
	struct string_list args;
	struct string_list env;
	struct optional_i32 timeout; /* seconds, above 0 */
};

struct oci_hook_list {
	struct oci_hook *items;
	size_t count;
};

struct oci_hooks {
	struct oci_hook_list prestart, create_runtime, create_container, start_container, poststart,
		poststop;
};

/* ---- linux.resources (config-linux.md, "Control groups") ------------------------------------- */

struct oci_device_rule {
	bool allow;
	char type;			  /* 'a', 'b', 'c' */
	struct optional_i64 major, minor; /* absent or -1: all */
	bool read, write, mknod;	  /* absent `access` means all three */
};

struct oci_memory {
	struct optional_i64 limit, reservation, swap, kernel,
		kernel_tcp; /* bytes, -1 is unlimited */
	struct optional_u64 swappiness;
	struct optional_bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
	struct optional_u64 shares;
	struct optional_i64 quota;	   /* microseconds */
	struct optional_u64 burst, period; /* microseconds */
	struct optional_i64 realtime_runtime;
	struct optional_u64 realtime_period;
	char *cpus, *mems;
	struct optional_i64 idle;
};

struct oci_weight_device {
	int64_t major, minor;
	struct optional_u32 weight, leaf_weight; /* 10 to 1000 */
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate; /* bytes or operations a second */
};

struct oci_throttle_list {
	struct oci_throttle_device *items;
	size_t count;
};

struct oci_block_io {
	struct optional_u32 weight, leaf_weight;
	struct oci_weight_device *weight_devices;
	size_t n_weight_devices;
	struct oci_throttle_list read_bps, write_bps, read_iops, write_iops;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB", "1GB" */
	uint64_t limit;	 /* bytes */
};

struct oci_interface_priority {
	char *name;
	uint32_t priority;
};

struct oci_network {
	struct optional_u32 class_id;
	struct oci_interface_priority *priorities;
	size_t n_priorities;
};

struct oci_rdma {
	char *name;
	struct optional_u32 hca_handles, hca_objects;
};

struct oci_resources {
	bool set;
	struct oci_device_rule *devices;
	size_t n_devices;
	struct oci_memory memory;
	struct oci_cpu cpu;
	struct optional_i64 pids_limit; /* -1 is unlimited */
	struct oci_block_io block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct oci_network network;
	struct oci_rdma *rdma;
	size_t n_rdma;
	struct key_value_list unified;
};

/* ---- linux.seccomp (config-linux.md, "Seccomp") ---------------------------------------------- */

struct oci_seccomp_arg {
	uint32_t index; /* 0 to 5 */
	uint64_t value, value_two;
	char *op; /* "SCMP_CMP_…", one of the specification's */
};

struct oci_seccomp_rule {
	struct string_list names;
	char *action; /* "SCMP_ACT_…", one of the specification's */
	struct optional_u32 errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	bool set;
	char *default_action;
	struct optional_u32 default_errno_ret;
	struct string_list architectures; /* "SCMP_ARCH_…" */
	struct string_list flags;	  /* "SECCOMP_FILTER_FLAG_…" */
	char *listener_path, *listener_metadata;
	struct oci_seccomp_rule *syscalls;
	size_t n_syscalls;
};

/* ---- linux (config-linux.md) ---------------------------------------------------------------- */

enum oci_namespace_type {
	OCI_NAMESPACE_USER,
	OCI_NAMESPACE_PID,
	OCI_NAMESPACE_NETWORK,
	OCI_NAMESPACE_MOUNT,
	OCI_NAMESPACE_IPC,
	OCI_NAMESPACE_UTS,
	OCI_NAMESPACE_CGROUP,
	OCI_NAMESPACE_TIME,
	OCI_NAMESPACE_TYPES /* how many there are */
};

/* namespaces[] by type: absent from the list, to be made, or to be joined at `path`. */
struct oci_namespace {
	bool set;
	char *path; /* NULL: a new one */
};

struct oci_device {
	char *path;
	char type; /* 'b', 'c', 'u' or 'p' */
	int64_t major, minor;
	struct optional_u32 file_mode, uid, gid;
};

struct oci_net_device {
	char *host_name; /* the key of linux.netDevices */
	char *name;	 /* in the container; NULL: the same */
};

struct oci_time_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_intel_rdt {
	bool set;
	char *clos_id;
	struct string_list schemata;
	char *l3_cache_schema, *mem_bw_schema;
	bool enable_cmt, enable_mbm, enable_monitoring;
};

struct oci_memory_policy {
	bool set;
	int mode;	    /* MPOL_… */
	char *nodes;	    /* a list such as "0-1,3" */
	unsigned int flags; /* MPOL_F_… */
};

struct oci_personality {
	bool set;
	unsigned long domain; /* PER_… */
};

struct oci_linux {
	bool set;
	struct oci_namespace namespaces[OCI_NAMESPACE_TYPES];
	struct oci_id_mappings uid_mappings, gid_mappings;
	struct oci_time_offset monotonic_offset, boottime_offset; /* linux.timeOffsets */
	struct oci_device *devices;
	size_t n_devices;
	struct oci_net_device *net_devices;
	size_t n_net_devices;
	char *cgroups_path;
	struct oci_resources resources;
	struct oci_intel_rdt intel_rdt;
	struct oci_memory_policy memory_policy;
	struct key_value_list sysctl;
	struct oci_seccomp seccomp;
	char *rootfs_propagation; /* "shared", "slave", …, or with 'r' before: "rshared", … */
	struct string_list masked_paths, readonly_paths;
	char *mount_label;
	struct oci_personality personality;
};

/* ---- vm (config-vm.md) ---------------------------------------------------------------------- */

struct oci_iomem {
	uint64_t first_gfn, first_mfn, count;
};

struct oci_vm {
	bool set;
	char *hypervisor_path;
	struct string_list hypervisor_parameters;
	char *kernel_path, *kernel_initrd;
	struct string_list kernel_parameters;
	char *image_path, *image_format;
	struct {
		bool set;
		char *device_tree;
		struct optional_u32 vcpus;
		struct optional_u64 memory; /* bytes */
		struct string_list dtdevs;
		struct oci_iomem *iomems;
		size_t n_iomems;
		uint32_t *irqs;
		size_t n_irqs;
	} hw_config;
};

/* ---- the whole ------------------------------------------------------------------------------ */

struct oci_config {
	struct arena arena;
	char *oci_version;
	char *hostname, *domainname;
	struct {
		bool set;
		char *path;
		bool readonly;
	} root;
	struct oci_process process;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks hooks;
	struct key_value_list annotations;
	struct oci_linux linux;
	struct oci_vm vm;
};

struct error;

/*
 * Decodes the `length` bytes of `text` (a config.json) into `ret`, which is empty before; on
 * failure it is empty again. Besides types and ranges it checks what can be said from the document
 * alone (required fields, absolute paths, ids, namespaces given twice, …: config.md and
 * config-linux.md). Errors: -EINVAL with one line that begins with the JSON path, -E2BIG for size
 * or depth, -ENOMEM.
 */
int oci_config_decode(const char *text, size_t length, struct oci_config *ret, struct error *err);

/*
 * Decodes a lone process object (what `exec --process FILE` reads), checked like config.json's.
 * `arena` owns what `ret` points to. Errors as for oci_config_decode().
 */
int oci_process_decode(const char *text, size_t length, struct arena *arena,
	struct oci_process *ret, struct error *err);

/*
 * Decodes a lone linux.resources object (what `update --resources FILE` reads). `arena` owns what
 * `ret` points to. Errors as for oci_config_decode().
 */
int oci_resources_decode(const char *text, size_t length, struct arena *arena,
	struct oci_resources *ret, struct error *err);

/* Gives everything back; the config is empty afterwards. */
void oci_config_free(struct oci_config *config);

/* Returns the value of the annotation `key`, or NULL. */
const char *oci_config_annotation(const struct oci_config *config, const char *key);
