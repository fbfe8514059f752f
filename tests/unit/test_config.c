/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document that holds every field of the specification, and where each of them ends up.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "config/oci.h"
#include "lib/arena.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/json_write.h"

#define FULL "tests/unit/data/full-config.json"

static char *full_text;
static size_t full_length;

static int read_full(void **state)
{
	FILE *file = fopen(FULL, "r");

	(void)state;
	if (file == NULL) {
		print_error("cannot open " FULL ": run the tests in the top directory\n");
		return -1;
	}
	full_text = calloc(1, 65536);
	full_length = full_text != NULL ? fread(full_text, 1, 65535, file) : 0;
	fclose(file);
	return full_length > 0 ? 0 : -1;
}

static int free_full(void **state)
{
	(void)state;
	free(full_text);
	return 0;
}

static void decode_full(struct oci_config *config)
{
	struct error err = ERROR_INIT;

	if (oci_config_decode(full_text, full_length, config, &err) != 0)
		fail_msg("%s", err.message);
}

static void assert_strings(const struct string_list *list, const char *const *expected)
{
	size_t i = 0;

	for (; expected[i] != NULL; i++) {
		assert_true(i < list->count);
		assert_string_equal(list->items[i], expected[i]);
	}
	assert_int_equal(list->count, i);
	assert_null(list->items[i]);
}

#define assert_list(list, ...) assert_strings((list), (const char *const[]){ __VA_ARGS__, NULL })
#define assert_optional(optional, expected)                  \
	do {                                                 \
		assert_true((optional).set);                 \
		assert_true((optional).value == (expected)); \
	} while (0)

static void test_top(void **state)
{
	struct oci_config config;

	(void)state;
	decode_full(&config);
	assert_string_equal(config.oci_version, "1.3.0");
	assert_string_equal(config.hostname, "box");
	assert_string_equal(config.domainname, "example.org");
	assert_true(config.root.set);
	assert_string_equal(config.root.path, "rootfs");
	assert_true(config.root.readonly);
	assert_int_equal(config.annotations.count, 2);
	assert_string_equal(oci_config_annotation(&config, "org.example.key"), "value");
	assert_string_equal(oci_config_annotation(&config, "empty"), "");
	assert_null(oci_config_annotation(&config, "org.example"));

	assert_int_equal(config.n_mounts, 2);
	assert_string_equal(config.mounts[0].destination, "/proc");
	assert_string_equal(config.mounts[0].type, "proc");
	assert_string_equal(config.mounts[0].source, "proc");
	assert_null(config.mounts[0].options.items);
	assert_int_equal(config.mounts[0].uid_mappings.count, 0);
	assert_string_equal(config.mounts[1].destination, "data");
	assert_null(config.mounts[1].type);
	assert_list(&config.mounts[1].options, "rbind", "ro");
	assert_int_equal(config.mounts[1].uid_mappings.count, 1);
	assert_int_equal(config.mounts[1].uid_mappings.items[0].container_id, 1);
	assert_int_equal(config.mounts[1].uid_mappings.items[0].host_id, 2);
	assert_int_equal(config.mounts[1].uid_mappings.items[0].size, 3);
	assert_int_equal(config.mounts[1].gid_mappings.count, 2);
	assert_int_equal(config.mounts[1].gid_mappings.items[0].size, 6);

	assert_int_equal(config.hooks.prestart.count, 1);
	assert_string_equal(config.hooks.prestart.items[0].path, "/p1");
	assert_false(config.hooks.prestart.items[0].timeout.set);
	assert_string_equal(config.hooks.create_runtime.items[0].path, "/p2");
	assert_list(&config.hooks.create_runtime.items[0].args, "a", "b");
	assert_list(&config.hooks.create_runtime.items[0].env, "K=v");
	assert_optional(config.hooks.create_runtime.items[0].timeout, 5);
	assert_string_equal(config.hooks.create_container.items[0].path, "/p3");
	assert_string_equal(config.hooks.start_container.items[0].path, "/p4");
	assert_string_equal(config.hooks.poststart.items[0].path, "/p5");
	assert_int_equal(config.hooks.poststop.count, 2);
	assert_string_equal(config.hooks.poststop.items[1].path, "/p7");
	oci_config_free(&config);
	assert_null(config.arena.blocks);
}

static void test_process(void **state)
{
	struct oci_config config;

	(void)state;
	decode_full(&config);
	const struct oci_process *process = &config.process;
	assert_true(process->set);
	assert_true(process->terminal);
	assert_true(process->console_size.set);
	assert_int_equal(process->console_size.height, 25);
	assert_int_equal(process->console_size.width, 80);
	/* CVE-2024-40635: large ids stay what they are. */
	assert_true(process->user.uid == 4294967294U);
	assert_true(process->user.gid == 2147483648U);
	assert_optional(process->user.umask, 63);
	assert_int_equal(process->user.n_additional_gids, 2);
	assert_int_equal(process->user.additional_gids[0], 5);
	assert_int_equal(process->user.additional_gids[1], 6);
	assert_list(&process->args, "sh", "-c", "");
	assert_list(&process->env, "PATH=/bin", "EMPTY=", "A=b=c");
	assert_string_equal(process->cwd, "/root");

	assert_true(process->capabilities.set);
	assert_true(process->capabilities.bounding == ((1ULL << CAP_KILL) | (1ULL << CAP_CHOWN)));
	assert_true(process->capabilities.effective == 1ULL << CAP_KILL);
	assert_true(process->capabilities.inheritable == 1ULL << CAP_CHECKPOINT_RESTORE);
	assert_true(process->capabilities.permitted == 1ULL << CAP_KILL);
	assert_true(process->capabilities.ambient == 0);
	assert_list(&process->capabilities.unknown, "CAP_NEW_ONE");

	assert_int_equal(process->n_rlimits, 2);
	assert_int_equal(process->rlimits[0].type, RLIMIT_NOFILE);
	assert_true(process->rlimits[0].soft == 1024);
	assert_true(process->rlimits[0].hard == UINT64_MAX);
	assert_int_equal(process->rlimits[1].type, RLIMIT_RTTIME);
	assert_true(process->rlimits[1].soft == 1000);
	assert_true(process->rlimits[1].hard == 1000);
	assert_true(process->no_new_privileges);
	assert_string_equal(process->apparmor_profile, "profile");
	assert_optional(process->oom_score_adj, -999);
	assert_string_equal(process->selinux_label, "label");

	assert_true(process->scheduler.set);
	assert_int_equal(process->scheduler.policy, SCHED_DEADLINE);
	assert_true(process->scheduler.flags == (SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM));
	assert_true(process->scheduler.runtime == 1024);
	assert_true(process->scheduler.deadline == 2048);
	assert_true(process->scheduler.period == 4096);
	assert_true(process->io_priority.set);
	assert_int_equal(process->io_priority.class, IOPRIO_CLASS_IDLE);
	assert_int_equal(process->io_priority.priority, 7);
	assert_string_equal(process->exec_cpu_affinity.initial, "7");
	assert_string_equal(process->exec_cpu_affinity.final, "0-3, 7");
	oci_config_free(&config);
}

static void test_linux(void **state)
{
	struct oci_config config;

	(void)state;
	decode_full(&config);
	const struct oci_linux *linux = &config.linux;
	assert_true(linux->set);
	for (int i = 0; i < OCI_NAMESPACE_TYPES; i++) {
		assert_true(linux->namespaces[i].set);
		if (i == OCI_NAMESPACE_PID)
			assert_string_equal(linux->namespaces[i].path, "/proc/1/ns/pid");
		else
			assert_null(linux->namespaces[i].path);
	}
	assert_int_equal(linux->uid_mappings.count, 2);
	assert_int_equal(linux->uid_mappings.items[1].host_id, 33000);
	assert_int_equal(linux->gid_mappings.count, 1);
	assert_true(linux->gid_mappings.items[0].size == UINT32_MAX);
	assert_true(linux->monotonic_offset.set);
	assert_true(linux->monotonic_offset.secs == -172800);
	assert_int_equal(linux->monotonic_offset.nanosecs, 999999999);
	assert_true(linux->boottime_offset.set);
	assert_true(linux->boottime_offset.secs == 604800);

	assert_int_equal(linux->n_devices, 3);
	assert_string_equal(linux->devices[0].path, "/dev/fuse");
	assert_int_equal(linux->devices[0].type, 'c');
	assert_int_equal(linux->devices[0].major, 10);
	assert_int_equal(linux->devices[0].minor, 229);
	assert_optional(linux->devices[0].file_mode, 0666);
	assert_optional(linux->devices[0].uid, 1);
	assert_optional(linux->devices[0].gid, 2);
	assert_int_equal(linux->devices[1].type, 'p');
	/* st_mode with S_IFIFO in it. */
	assert_optional(linux->devices[1].file_mode, 0600);
	assert_int_equal(linux->devices[2].type, 'b');
	assert_false(linux->devices[2].file_mode.set);

	assert_int_equal(linux->n_net_devices, 4);
	assert_string_equal(linux->net_devices[0].host_name, "eth0");
	assert_string_equal(linux->net_devices[0].name, "container_eth0");
	assert_string_equal(linux->net_devices[1].host_name, "ens4");
	assert_null(linux->net_devices[1].name);
	assert_string_equal(linux->net_devices[2].name, "net%d");

	assert_string_equal(linux->cgroups_path, "/my/cgroup");
	assert_true(linux->intel_rdt.set);
	assert_string_equal(linux->intel_rdt.clos_id, "guaranteed");
	assert_list(&linux->intel_rdt.schemata, "L3:0=7f0", "MB:0=20");
	assert_string_equal(linux->intel_rdt.l3_cache_schema, "L3:0=1");
	assert_string_equal(linux->intel_rdt.mem_bw_schema, "MB:0=70");
	assert_true(linux->intel_rdt.enable_cmt);
	assert_true(linux->intel_rdt.enable_mbm);
	assert_true(linux->intel_rdt.enable_monitoring);
	assert_true(linux->memory_policy.set);
	assert_int_equal(linux->memory_policy.mode, MPOL_INTERLEAVE);
	assert_string_equal(linux->memory_policy.nodes, "2-3");
	assert_int_equal(linux->memory_policy.flags, MPOL_F_STATIC_NODES);
	assert_int_equal(linux->sysctl.count, 5);
	assert_string_equal(linux->sysctl.items[0].key, "net.ipv4.ip_forward");
	assert_string_equal(linux->sysctl.items[0].value, "1");
	assert_string_equal(linux->rootfs_propagation, "slave");
	assert_list(&linux->masked_paths, "/proc/kcore");
	assert_list(&linux->readonly_paths, "/proc/sys", "/proc/bus");
	assert_string_equal(linux->mount_label, "context");
	assert_true(linux->personality.set);
	assert_int_equal(linux->personality.domain, PER_LINUX32);
	oci_config_free(&config);
}

static void test_seccomp(void **state)
{
	struct oci_config config;

	(void)state;
	decode_full(&config);
	const struct oci_seccomp *seccomp = &config.linux.seccomp;
	assert_true(seccomp->set);
	assert_string_equal(seccomp->default_action, "SCMP_ACT_ERRNO");
	assert_optional(seccomp->default_errno_ret, 38);
	assert_list(&seccomp->architectures, "SCMP_ARCH_X86_64", "SCMP_ARCH_X32");
	assert_list(&seccomp->flags, "SECCOMP_FILTER_FLAG_LOG");
	assert_string_equal(seccomp->listener_path, "/run/listener");
	assert_string_equal(seccomp->listener_metadata, "meta");
	assert_int_equal(seccomp->n_syscalls, 3);
	assert_list(&seccomp->syscalls[0].names, "read", "write");
	assert_string_equal(seccomp->syscalls[0].action, "SCMP_ACT_ALLOW");
	assert_false(seccomp->syscalls[0].errno_ret.set);
	assert_int_equal(seccomp->syscalls[0].n_args, 0);
	assert_optional(seccomp->syscalls[1].errno_ret, 65535);
	assert_int_equal(seccomp->syscalls[1].n_args, 1);
	assert_int_equal(seccomp->syscalls[1].args[0].index, 5);
	assert_true(seccomp->syscalls[1].args[0].value == UINT64_MAX);
	assert_true(seccomp->syscalls[1].args[0].value_two == 1);
	assert_string_equal(seccomp->syscalls[1].args[0].op, "SCMP_CMP_MASKED_EQ");
	assert_int_equal(seccomp->syscalls[2].n_args, 0);
	oci_config_free(&config);
}

static void check_resources(const struct oci_resources *resources)
{
	assert_true(resources->set);
	assert_int_equal(resources->n_devices, 3);
	assert_false(resources->devices[0].allow);
	assert_int_equal(resources->devices[0].type, 'a');
	assert_false(resources->devices[0].major.set);
	assert_true(resources->devices[0].read && resources->devices[0].write &&
		resources->devices[0].mknod);
	assert_true(resources->devices[1].allow);
	assert_int_equal(resources->devices[1].type, 'c');
	assert_optional(resources->devices[1].major, 10);
	assert_optional(resources->devices[1].minor, -1);
	assert_true(resources->devices[1].read && resources->devices[1].write &&
		!resources->devices[1].mknod);
	assert_true(resources->devices[2].mknod && !resources->devices[2].read);

	assert_optional(resources->memory.limit, 536870912);
	assert_optional(resources->memory.reservation, 536870911);
	assert_optional(resources->memory.swap, -1);
	assert_optional(resources->memory.kernel, -1);
	assert_optional(resources->memory.kernel_tcp, 0);
	assert_optional(resources->memory.swappiness, 100);
	assert_optional(resources->memory.disable_oom_killer, false);
	assert_optional(resources->memory.use_hierarchy, true);
	assert_optional(resources->memory.check_before_update, true);
	assert_optional(resources->cpu.shares, 1024);
	assert_optional(resources->cpu.quota, -1);
	assert_optional(resources->cpu.burst, 1000000);
	assert_optional(resources->cpu.period, 500000);
	assert_optional(resources->cpu.realtime_runtime, 950000);
	assert_optional(resources->cpu.realtime_period, 1000000);
	assert_string_equal(resources->cpu.cpus, "2-3");
	assert_string_equal(resources->cpu.mems, "0-7");
	assert_optional(resources->cpu.idle, 1);
	assert_optional(resources->pids_limit, 0);

	assert_optional(resources->block_io.weight, 10);
	assert_optional(resources->block_io.leaf_weight, 1000);
	assert_int_equal(resources->block_io.n_weight_devices, 2);
	assert_int_equal(resources->block_io.weight_devices[0].major, 8);
	assert_optional(resources->block_io.weight_devices[0].weight, 500);
	assert_optional(resources->block_io.weight_devices[0].leaf_weight, 300);
	/* 0 is "no weight". */
	assert_false(resources->block_io.weight_devices[1].weight.set);
	assert_true(resources->block_io.read_bps.items[0].rate == 600);
	assert_int_equal(resources->block_io.read_bps.items[0].major, 1);
	assert_int_equal(resources->block_io.read_bps.items[0].minor, 2);
	assert_true(resources->block_io.write_bps.items[0].rate == UINT64_MAX);
	assert_int_equal(resources->block_io.read_iops.items[0].major, 5);
	assert_int_equal(resources->block_io.write_iops.items[0].minor, 8);

	assert_int_equal(resources->n_hugepage_limits, 2);
	assert_string_equal(resources->hugepage_limits[0].page_size, "2MB");
	assert_true(resources->hugepage_limits[0].limit == 9223372036854772000U);
	assert_optional(resources->network.class_id, 1048577);
	assert_int_equal(resources->network.n_priorities, 2);
	assert_string_equal(resources->network.priorities[1].name, "eth1");
	assert_int_equal(resources->network.priorities[1].priority, 1000);
	assert_int_equal(resources->n_rdma, 2);
	assert_string_equal(resources->rdma[0].name, "mlx5_1");
	assert_optional(resources->rdma[0].hca_handles, 3);
	assert_optional(resources->rdma[0].hca_objects, 10000);
	assert_string_equal(resources->rdma[1].name, "mlx4_0");
	assert_false(resources->rdma[1].hca_handles.set);
	assert_int_equal(resources->unified.count, 2);
	assert_string_equal(resources->unified.items[1].key, "hugetlb.1GB.max");
	assert_string_equal(resources->unified.items[1].value, "1");
}

static void test_resources(void **state)
{
	struct oci_config config;

	(void)state;
	decode_full(&config);
	check_resources(&config.linux.resources);
	oci_config_free(&config);
}

static void test_vm(void **state)
{
	struct oci_config config;

	(void)state;
	decode_full(&config);
	const struct oci_vm *vm = &config.vm;
	assert_true(vm->set);
	assert_string_equal(vm->hypervisor_path, "/vmm");
	assert_list(&vm->hypervisor_parameters, "a=b");
	assert_string_equal(vm->kernel_path, "/vmlinuz");
	assert_list(&vm->kernel_parameters, "quiet", "x");
	assert_string_equal(vm->kernel_initrd, "/initrd");
	assert_string_equal(vm->image_path, "disk.img");
	assert_string_equal(vm->image_format, "raw");
	assert_true(vm->hw_config.set);
	assert_string_equal(vm->hw_config.device_tree, "/dt");
	assert_optional(vm->hw_config.vcpus, 2);
	assert_optional(vm->hw_config.memory, 4194304);
	assert_list(&vm->hw_config.dtdevs, "d1", "d2");
	assert_int_equal(vm->hw_config.n_iomems, 2);
	/* Without firstGFN it is firstMFN; 0 is 0. */
	assert_int_equal(vm->hw_config.iomems[0].first_gfn, 12288);
	assert_int_equal(vm->hw_config.iomems[0].count, 1);
	assert_int_equal(vm->hw_config.iomems[1].first_gfn, 0);
	assert_int_equal(vm->hw_config.iomems[1].first_mfn, 33024);
	assert_int_equal(vm->hw_config.n_irqs, 2);
	assert_int_equal(vm->hw_config.irqs[1], 22);
	oci_config_free(&config);
}

/* The smallest documents: what is absent is NULL, 0, not set. */
static void test_absent(void **state)
{
	static const char *const texts[] = {
		"{\"ociVersion\":\"1.0.2-dev+x.1\",\"root\":{\"path\":\"r\"}}",
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":null,\"mounts\":"
		"null,"
		"\"hostname\":\"\",\"hooks\":{\"prestart\":null},\"annotations\":{},\"linux\":"
		"{\"devices\":[],\"resources\":null,\"seccomp\":null,\"namespaces\":[],"
		"\"uidMappings\":[],\"cgroupsPath\":\"\"},\"windows\":7}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct oci_config config;
		struct error err = ERROR_INIT;

		assert_int_equal(oci_config_decode(texts[i], strlen(texts[i]), &config, &err), 0);
		assert_false(config.process.set);
		assert_null(config.mounts);
		assert_null(config.hostname);
		assert_null(config.hooks.prestart.items);
		assert_null(config.annotations.items);
		assert_null(config.linux.devices);
		assert_false(config.linux.resources.set);
		assert_false(config.linux.seccomp.set);
		assert_false(config.linux.namespaces[OCI_NAMESPACE_PID].set);
		assert_null(config.linux.cgroups_path);
		assert_false(config.vm.set);
		assert_int_equal(config.linux.set, i == 1);
		oci_config_free(&config);
	}
}

/* What exec and update read. */
static void test_lone_objects(void **state)
{
	static const char process_text[] = "{\"cwd\":\"/\",\"args\":[\"a\"]}";
	static const char resources_text[] = "{\"pids\":{\"limit\":5}}";
	struct arena arena = { 0 };
	struct oci_process process;
	struct oci_resources resources;

	(void)state;
	assert_int_equal(
		oci_process_decode(process_text, strlen(process_text), &arena, &process, NULL), 0);
	assert_true(process.set);
	assert_string_equal(process.args.items[0], "a");
	assert_false(process.capabilities.set);
	assert_int_equal(process.user.uid, 0);
	assert_int_equal(oci_resources_decode(
				 resources_text, strlen(resources_text), &arena, &resources, NULL),
		0);
	assert_true(resources.set);
	assert_optional(resources.pids_limit, 5);
	arena_free(&arena);
}

/* ---- every value of a wrong type is refused where it is -------------------------------------- */

struct mutation {
	struct json_writer writer;
	size_t target, at;   /* which value is replaced; which one is being written */
	enum json_type type; /* of the one that was replaced */
	char path[256], found[256];
};

static void write_value(struct mutation *mutation, const struct json_value *value, size_t used)
{
	if (mutation->at++ == mutation->target) {
		snprintf(mutation->found, sizeof(mutation->found), "%s", mutation->path);
		mutation->type = value->type;
		/* Something that no field is. */
		if (value->type == JSON_OBJECT)
			json_write_array(&mutation->writer);
		else
			json_write_object(&mutation->writer);
		json_write_end(&mutation->writer);
		return;
	}
	switch (value->type) {
	case JSON_OBJECT:
		json_write_object(&mutation->writer);
		for (uint32_t i = 0; i < value->count; i++) {
			const char *key = value->members[i].key;
			bool plain = strpbrk(key, "./") == NULL;

			snprintf(mutation->path + used, sizeof(mutation->path) - used,
				plain ? "%s%s" : "%s[\"%s\"]", plain && used > 0 ? "." : "", key);
			json_write_key(&mutation->writer, key);
			write_value(mutation, &value->members[i].value, strlen(mutation->path));
		}
		json_write_end(&mutation->writer);
		break;
	case JSON_ARRAY:
		json_write_array(&mutation->writer);
		for (uint32_t i = 0; i < value->count; i++) {
			snprintf(mutation->path + used, sizeof(mutation->path) - used, "[%u]", i);
			write_value(mutation, &value->items[i], strlen(mutation->path));
		}
		json_write_end(&mutation->writer);
		break;
	case JSON_STRING:
		json_write_string(&mutation->writer, value->text);
		break;
	case JSON_BOOLEAN:
		json_write_bool(&mutation->writer, value->boolean);
		break;
	case JSON_NULL:
		json_write_null(&mutation->writer);
		break;
	case JSON_NUMBER: {
		uint64_t number;
		int64_t negative;

		if (json_uint64(value, &number) == 0)
			json_write_uint(&mutation->writer, number);
		else if (json_int64(value, &negative) == 0)
			json_write_int(&mutation->writer, negative);
		break;
	}
	}
}

static void test_every_value_has_a_type(void **state)
{
	struct arena arena = { 0 };
	struct json_value root;
	size_t refused = 0;

	(void)state;
	assert_int_equal(json_parse(full_text, full_length, &arena, &root, NULL), 0);
	for (size_t target = 0;; target++) {
		struct mutation mutation = { .target = target };
		struct oci_config config;
		struct error err = ERROR_INIT;
		const char *text;
		size_t length;
		char expected[300];

		assert_int_equal(json_writer_open(&mutation.writer, false, NULL), 0);
		write_value(&mutation, &root, 0);
		assert_int_equal(json_writer_text(&mutation.writer, &text, &length, NULL), 0);
		int status = oci_config_decode(text, length, &config, &err);
		json_writer_close(&mutation.writer);
		oci_config_free(&config);
		if (mutation.at <= target)
			break;
		if (mutation.type == JSON_NULL || strncmp(mutation.found, "unknown", 7) == 0) {
			assert_true(mutation.type == JSON_NULL || status == 0);
			continue;
		}
		snprintf(expected, sizeof(expected), "%s%sexpected ", mutation.found,
			mutation.found[0] != '\0' ? ": " : "");
		if (status != -EINVAL || strncmp(err.message, expected, strlen(expected)) != 0)
			fail_msg("%s: %d, %s", mutation.found, status, err.message);
		refused++;
	}
	assert_true(refused > 350);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_linux),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_lone_objects),
		cmocka_unit_test(test_every_value_has_a_type),
	};

	return cmocka_run_group_tests(tests, read_full, free_full);
}
