/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program is held to: limits, scheduling, memory policies, filters, labels. Each is looked
 * at from the program itself (process_walk.h). Needs root.
 */
#include "tests/unit/process_walk.h"

#include "runtime/ns/credentials.h"
#include "runtime/ns/intel_rdt.h"

static void limits_are_set(void **state)
{
	struct oci_rlimit limits[] = { { RLIMIT_NOFILE, 77, 99 }, { RLIMIT_CORE, 0, 0 } };
	struct walk walk = { .process = { .args = LIST("sh", "-c",
						  "ulimit -n; ulimit -Hn; ulimit -c; "
						  "cat /proc/self/oom_score_adj; "
						  "cut -d' ' -f19 /proc/self/stat; uname -m"),
				     .rlimits = limits,
				     .n_rlimits = 2,
				     .oom_score_adj = { true, 321 },
				     .scheduler = { .set = true, .policy = SCHED_OTHER, .nice = 7 },
				     .io_priority = { .set = true, .class = 2, .priority = 5 } },
		.linux.personality = { true, 8 /* PER_LINUX32 */ } };

	(void)state;
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_contains(&walk, "77\n99\n0\n321\n7\ni686\n");
}

static void places_are_taken(void **state)
{
	static const struct {
		struct oci_scheduler scheduler;
		const char *shown; /* priority, nice, real-time priority and policy of stat */
	} cases[] = {
		{ { .policy = SCHED_BATCH, .nice = 3 }, "23 3 0 3\n" },
		{ { .policy = SCHED_IDLE }, "20 0 0 5\n" },
		{ { .policy = SCHED_FIFO, .priority = 10 }, "-11 0 10 1\n" },
		{ { .policy = SCHED_RR, .priority = 20, .flags = 1 }, "20 0 0 0\n" },
		{ { .policy = 6, .runtime = 1000000, .deadline = 5000000, .period = 10000000 },
			"-101 0 0 6\n" },
	};

	(void)state;
	/* Whatever the tests themselves were started with. */
	assert_int_equal(setpriority(PRIO_PROCESS, 0, 0), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* In a child, which SCHED_FLAG_RESET_ON_FORK takes back to normal. */
		bool forks = cases[i].scheduler.policy == SCHED_RR;
		struct string_list itself = LIST("cut", "-d ", "-f18,19,40,41", "/proc/self/stat");
		struct string_list child = LIST(
			"sh", "-c", "cut -d' ' -f18,19,40,41 /proc/self/stat; true");
		struct walk walk = { .process = { .args = forks ? child : itself,
					     .scheduler = cases[i].scheduler } };

		walk.process.scheduler.set = true;
		walk_it(&walk);
		assert_string_equal(walk.output, cases[i].shown);
	}
	struct walk affinity = { .process = { .args = LIST("cat", "/proc/self/status"),
					 .exec_cpu_affinity = { TEXT("0-1"), TEXT("1") } },
		.exec = true };
	walk_it(&affinity);
	assert_contains(&affinity, "Cpus_allowed_list:\t1\n");
	affinity.exec = false;
	walk_it(&affinity);
	assert_null(strstr(affinity.output, "Cpus_allowed_list:\t1\n"));
	affinity.exec = true;
	affinity.process.exec_cpu_affinity.final = TEXT("8000");
	expect_failure(&affinity, EINVAL, "none of the CPUs \"8000\"");
}

static void memory_policies(void **state)
{
	struct walk walk = { .process.args = LIST("cat", "/proc/self/numa_maps"),
		.linux.memory_policy = {
			.set = true, .mode = 2 /* MPOL_BIND */, .nodes = TEXT("0") } };
	struct walk wrong = { .process.args = LIST("sh"),
		.linux.memory_policy = { .set = true, .mode = 2, .nodes = TEXT("0-") } };

	(void)state;
	expect_failure(&wrong, EINVAL, "linux.memoryPolicy.nodes");
	walk_it(&walk);
	if (walk.status == 100 + ENOSYS || strstr(walk.output, "numa_maps") != NULL)
		skip(); /* a kernel without NUMA */
	assert_contains(&walk, " bind:0 ");
}

static void drop_resource_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	extern int capget(cap_user_header_t, cap_user_data_t);
	extern int capset(cap_user_header_t, const cap_user_data_t);

	must(capget(&header, data), "capget");
	data[0].effective &= ~(uint32_t)CAP(CAP_SYS_RESOURCE);
	data[0].permitted &= ~(uint32_t)CAP(CAP_SYS_RESOURCE);
	must(capset(&header, data), "capset");
}

static void raising_a_hard_limit_says_what_it_needs(void **state)
{
	struct oci_rlimit limits[] = { { RLIMIT_NOFILE, 1000, 900000000 } };
	struct walk walk = { .process = { .args = LIST("sh"), .rlimits = limits, .n_rlimits = 1 },
		.before = drop_resource_capability };

	(void)state;
	walk_it(&walk);
	assert_true(walk.status == 100 + EPERM);
	assert_contains(&walk, "RLIMIT_NOFILE");
}

static struct oci_seccomp forbid_chmod = {
	.set = true,
	.default_action = TEXT("SCMP_ACT_ALLOW"),
	.syscalls = (struct oci_seccomp_rule[]){ { .names = LIST("chmod", "fchmodat", "fchmodat2"),
		.action = TEXT("SCMP_ACT_ERRNO"),
		.errno_ret = { true, EDOM } } },
	.n_syscalls = 1,
};

static void filters_are_loaded_with_and_without_privilege(void **state)
{
	(void)state;
	for (int no_new_privileges = 0; no_new_privileges < 2; no_new_privileges++) {
		struct walk walk = {
			.process = { .args = LIST("sh", "-c",
					     "busybox chmod 1 /home 2>&1; "
					     "busybox grep -E 'Seccomp:|NoNewPrivs|CapEff' "
					     "/proc/self/status"),
				.user = { .uid = 1000, .gid = 1000 },
				.no_new_privileges = no_new_privileges },
			.seccomp = &forbid_chmod
		};

		walk_it(&walk);
		assert_int_equal(walk.status, 0);
		assert_contains(&walk, "Numerical argument out of domain");
		assert_contains(&walk, "Seccomp:\t2\n");
		assert_contains(&walk, "CapEff:\t0000000000000000\n");
		assert_contains(&walk, no_new_privileges ? "NoNewPrivs:\t1" : "NoNewPrivs:\t0");
	}
}

static struct oci_seccomp forbid_the_way = {
	.set = true,
	.default_action = TEXT("SCMP_ACT_ALLOW"),
	.syscalls =
		(struct oci_seccomp_rule[]){
			{ .names = LIST("setresuid", "setresgid", "setgroups", "chdir", "fchdir",
				  "openat2", "close_range", "stat", "faccessat2", "setrlimit"),
				.action = TEXT("SCMP_ACT_KILL_PROCESS") } },
	.n_syscalls = 1,
};

static void a_filter_may_forbid_what_the_runtime_did_before(void **state)
{
	(void)state;
	for (int no_new_privileges = 0; no_new_privileges < 2; no_new_privileges++) {
		struct walk walk = { .process = { .args = LIST("cat", "/bin/data"),
					     .user = { .uid = 1000, .gid = 1000 },
					     .no_new_privileges = no_new_privileges },
			.seccomp = &forbid_the_way };

		walk_it(&walk);
		assert_int_equal(walk.status, 0);
		assert_string_equal(walk.output, "data");
	}
}

static void schemata_are_compared(void **state)
{
	static const char text[] = "    MB:0= 100;1= 100\n    L3:0=07ff;1=1f\nL2:0=f\n";
	struct oci_intel_rdt rdt = { .set = true };
	struct error err = ERROR_INIT;

	(void)state;
	assert_true(intel_rdt_schemata_hold(text, "L3:0=7ff;1=1f"));
	assert_true(intel_rdt_schemata_hold(text, "L3:0=7ff;1=001f"));
	assert_true(intel_rdt_schemata_hold(text, "L2:0=f"));
	assert_true(intel_rdt_schemata_hold(text, "MB:0=100;1=100"));
	assert_false(intel_rdt_schemata_hold(text, "L3:0=7ff"));
	assert_false(intel_rdt_schemata_hold(text, "L3:0=7ff;1=1"));
	assert_false(intel_rdt_schemata_hold(text, "L3:0=7ff;1=1f;2=0"));
	assert_false(intel_rdt_schemata_hold("", "L2:0=f"));
	if (intel_rdt_available())
		return;
	assert_int_equal(intel_rdt_apply(&rdt, "c", "c", getpid(), &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "linux.intelRdt: no resctrl"));
	assert_int_equal(intel_rdt_remove("c", "c", &err), 0);
}

static void labels_that_cannot_be_are_errors(void **state)
{
	struct walk walk = { .process = { .args = LIST("sh"),
				     .apparmor_profile = TEXT("no-such-profile") } };

	(void)state;
	int procfs = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (label_apparmor_available(procfs))
		expect_failure(&walk, ENOENT, "take on profile \"no-such-profile\" (is it loaded?");
	else
		expect_failure(&walk, EOPNOTSUPP, "AppArmor is not enabled");
	if (!label_selinux_available(procfs)) {
		walk.process.apparmor_profile = NULL;
		walk.process.selinux_label = TEXT("u:r:t:s0");
		expect_failure(&walk, EOPNOTSUPP, "SELinux is not enabled");
	}
	close(procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_set),
		cmocka_unit_test(places_are_taken),
		cmocka_unit_test(memory_policies),
		cmocka_unit_test(schemata_are_compared),
		cmocka_unit_test(raising_a_hard_limit_says_what_it_needs),
		cmocka_unit_test(filters_are_loaded_with_and_without_privilege),
		cmocka_unit_test(a_filter_may_forbid_what_the_runtime_did_before),
		cmocka_unit_test(labels_that_cannot_be_are_errors),
	};

	return cmocka_run_group_tests_name("process_limits", tests, NULL, NULL);
}
