/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/seccomp_compile.h"

#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/seccomp_shrink.h"

/* <asm/unistd.h>: what tells an x32 number from an x86-64 one. */
#ifndef X32_SYSCALL_BIT
#define X32_SYSCALL_BIT 0x40000000
#endif

static void release_filter(scmp_filter_ctx *filter)
{
	if (*filter != NULL)
		seccomp_release(*filter);
}

/* Action of a rule, with the errno (or the tracer's message) in it. */
static int parse_action(
	const char *name, const struct optional_u32 *errno_ret, uint32_t *ret, struct error *err)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
		{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
		{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
		{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
		{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
		{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(name, actions[i].name) != 0)
			continue;
		uint32_t data = errno_ret->set ? errno_ret->value : EPERM;

		*ret = actions[i].action;
		if (*ret == SCMP_ACT_ERRNO(0) || *ret == SCMP_ACT_TRACE(0)) {
			if (data > UINT16_MAX)
				return error_say(err, EINVAL,
					"errnoRet %u is above the kernel's 65535", data);
			*ret |= data;
		}
		return 0;
	}
	return error_say(err, EINVAL, "this build knows no action \"%s\"", name);
}

static int parse_operator(const char *name, enum scmp_compare *ret, struct error *err)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} operators[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (strcmp(name, operators[i].name) == 0) {
			*ret = operators[i].op;
			return 0;
		}
	}
	return error_say(err, EINVAL, "this build knows no operator \"%s\"", name);
}

/* libseccomp's names are the specification's in lower case and without the prefix. */
static uint32_t resolve_architecture(const char *name)
{
	static const char prefix[] = "SCMP_ARCH_";
	char lower[32] = "";

	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	name += sizeof(prefix) - 1;
	for (size_t i = 0; i < sizeof(lower) - 1 && name[i] != '\0'; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	return seccomp_arch_resolve_name(lower);
}

static int add_architectures(
	scmp_filter_ctx filter, const struct oci_seccomp *profile, struct error *err)
{
	for (size_t i = 0; i < profile->architectures.count; i++) {
		const char *name = profile->architectures.items[i];
		uint32_t arch = resolve_architecture(name);

		if (arch == 0)
			return error_say(err, EINVAL,
				"linux.seccomp.architectures[%zu]: this build of libseccomp knows "
				"no \"%s\"",
				i, name);
		int status = seccomp_arch_add(filter, arch);
		if (status < 0 && status != -EEXIST)
			return error_set(
				err, -status, "linux.seccomp.architectures[%zu]: add %s", i, name);
	}
	return 0;
}

/* Adds a rule that a plain duplicate of is no error: profiles repeat names. */
static int add_rule(scmp_filter_ctx filter, uint32_t action, int number, unsigned int n_args,
	const struct scmp_arg_cmp *args, const char *name, struct error *err)
{
	int status = seccomp_rule_add_array(filter, action, number, n_args, args);

	if (status == 0 || status == -EEXIST)
		return 0;
	/* A system call that one of the architectures does not have. */
	if (status == -EDOM)
		return 0;
	return error_set(err, -status, "add the rule for %s", name);
}

static int parse_args(const struct oci_seccomp_rule *rule, struct scmp_arg_cmp *args,
	bool *ret_separate, struct error *err)
{
	unsigned int seen = 0;

	*ret_separate = false;
	for (size_t i = 0; i < rule->n_args; i++) {
		const struct oci_seccomp_arg *arg = &rule->args[i];
		enum scmp_compare op = SCMP_CMP_EQ;

		if (arg->index > 5)
			return error_say(err, EINVAL,
				"args[%zu].index: %u is above 5, the last argument", i, arg->index);
		if (parse_operator(arg->op, &op, err) < 0)
			return error_prefix(err, "args[%zu].op", i);
		if (seen & (1U << arg->index))
			*ret_separate = true;
		seen |= 1U << arg->index;
		args[i] = (struct scmp_arg_cmp){
			.arg = arg->index,
			.op = op,
			.datum_a = arg->value,
			.datum_b = arg->value_two,
		};
	}
	return 0;
}

static int add_syscall(scmp_filter_ctx filter, const struct oci_seccomp_rule *rule,
	const char *name, uint32_t action, const struct scmp_arg_cmp *args, bool separate,
	struct error *err)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR) {
		log_debug("linux.seccomp: system call %s is not known here, and left out", name);
		return 0;
	}
	if (!separate)
		return add_rule(
			filter, action, number, (unsigned int)rule->n_args, args, name, err);
	for (size_t i = 0; i < rule->n_args; i++) {
		int status = add_rule(filter, action, number, 1, &args[i], name, err);

		if (status < 0)
			return status;
	}
	return 0;
}

static int add_rules(scmp_filter_ctx filter, const struct oci_seccomp *profile,
	uint32_t default_action, struct error *err)
{
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		const struct oci_seccomp_rule *rule = &profile->syscalls[i];
		_cleanup_free_ struct scmp_arg_cmp *args = NULL;
		bool separate;
		uint32_t action;

		if (parse_action(rule->action, &rule->errno_ret, &action, err) < 0)
			return error_prefix(err, "linux.seccomp.syscalls[%zu].action", i);
		args = calloc(rule->n_args + 1, sizeof(*args));
		if (args == NULL)
			return error_set(err, ENOMEM, "linux.seccomp.syscalls[%zu]", i);
		/* Two conditions on one argument cannot be one rule of libseccomp's: either of
		 * them matches then, as with other runtimes. */
		if (parse_args(rule, args, &separate, err) < 0)
			return error_prefix(err, "linux.seccomp.syscalls[%zu]", i);
		/* libseccomp takes no rule that says what the default says. */
		if (action == default_action)
			continue;
		for (size_t j = 0; j < rule->names.count; j++) {
			if (add_syscall(filter, rule, rule->names.items[j], action, args, separate,
				    err) < 0)
				return error_prefix(err, "linux.seccomp.syscalls[%zu]", i);
		}
	}
	return 0;
}

static int export(scmp_filter_ctx filter, struct sock_filter **ret, unsigned short *ret_count,
	struct error *err)
{
	_cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "linux.seccomp: make room for the filter");
	int status = seccomp_export_bpf(filter, fd);
	if (status < 0)
		return error_set(err, -status, "linux.seccomp: compile the filter");

	off_t size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || size % (off_t)sizeof(struct sock_filter) != 0)
		return error_say(err, EIO, "linux.seccomp: libseccomp made an impossible filter");
	size_t count = (size_t)size / sizeof(struct sock_filter);
	if (count > UINT16_MAX / 2)
		return error_say(err, E2BIG,
			"linux.seccomp: the filter has %zu instructions, the kernel takes %d: "
			"leave rules or architectures out",
			count, BPF_MAXINSNS);

	_cleanup_free_ struct sock_filter *instructions = malloc((size_t)size);
	if (instructions == NULL)
		return error_set(err, ENOMEM, "linux.seccomp: read the filter");
	if (pread(fd, instructions, (size_t)size, 0) != size)
		return error_set(err, errno, "linux.seccomp: read the filter");
	*ret = take_ptr(&instructions);
	*ret_count = (unsigned short)count;
	return 0;
}

/* A refusal, which a program takes for an answer; ENOSYS lets it fall back to an older call. */
static bool refuses(uint32_t action)
{
	return action != SCMP_ACT_ALLOW && action != SCMP_ACT_LOG && action != SCMP_ACT_NOTIFY &&
		(action & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE &&
		action != SCMP_ACT_ERRNO(ENOSYS);
}

/* The newest system call of an architecture that any rule names, or -1. */
static int newest_number(const struct oci_seccomp *profile, uint32_t arch)
{
	int newest = -1;

	for (size_t i = 0; i < profile->n_syscalls; i++) {
		const struct string_list *names = &profile->syscalls[i].names;

		for (size_t j = 0; j < names->count; j++) {
			int number = seccomp_syscall_resolve_name_arch(arch, names->items[j]);

			if (number > newest)
				newest = number;
		}
	}
	return newest;
}

/*
 * One architecture's part of what is put before the filter: ENOSYS above `newest`, where x32's
 * numbers, which x86-64 shares its architecture with, have a `newest_x32` of their own. Without one
 * the filter itself decides about them. Returns how many instructions that took.
 */
#define NEWER_MAX 7
static size_t write_newer(struct sock_filter *at, uint32_t arch, uint32_t newest, int newest_x32)
{
	const struct sock_filter plain[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, newest, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	const struct sock_filter with_x32[NEWER_MAX] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_SYSCALL_BIT, 0, 1),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K,
			newest_x32 < 0 ? UINT32_MAX : (uint32_t)newest_x32, 1, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, newest, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};

	if (arch == SCMP_ARCH_X86_64) {
		memcpy(at, with_x32, sizeof(with_x32));
		return NEWER_MAX;
	}
	memcpy(at, plain, sizeof(plain));
	return sizeof(plain) / sizeof(plain[0]);
}

/*
 * Puts before the filter that system calls newer than everything in the profile end in ENOSYS, as
 * runc does: a program that tries a new call and is refused gives up, one that hears ENOSYS takes
 * the old call.
 */
static int add_newer(const struct oci_seccomp *profile, scmp_filter_ctx filter,
	struct sock_filter **program, unsigned short *count, struct error *err)
{
	static const uint32_t archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64,
		SCMP_ARCH_ARM, SCMP_ARCH_PPC64LE, SCMP_ARCH_PPC64, SCMP_ARCH_PPC, SCMP_ARCH_S390X,
		SCMP_ARCH_S390, SCMP_ARCH_RISCV64 };
	size_t most = sizeof(archs) / sizeof(archs[0]) * NEWER_MAX, n = 0;
	_cleanup_free_ struct sock_filter *longer = calloc(most + *count, sizeof(*longer));

	if (longer == NULL)
		return error_set(err, ENOMEM, "linux.seccomp: complete the filter");
	int newest_x32 = seccomp_arch_exist(filter, SCMP_ARCH_X32) == 0
		? newest_number(profile, SCMP_ARCH_X32)
		: -1;
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		if (seccomp_arch_exist(filter, archs[i]) != 0)
			continue;
		int newest = newest_number(profile, archs[i]);
		if (newest >= 0)
			n += write_newer(longer + n, archs[i], (uint32_t)newest, newest_x32);
	}
	memcpy(longer + n, *program, *count * sizeof(*longer));
	free(*program);
	*program = take_ptr(&longer);
	*count = (unsigned short)(*count + n);
	return 0;
}

int seccomp_compile(const struct oci_seccomp *profile, struct sock_filter **ret,
	unsigned short *ret_count, struct error *err)
{
	_cleanup_(release_filter) scmp_filter_ctx filter = NULL;
	uint32_t default_action;
	int status;

	if (parse_action(
		    profile->default_action, &profile->default_errno_ret, &default_action, err) < 0)
		return error_prefix(err, "linux.seccomp.defaultAction");
	filter = seccomp_init(default_action);
	if (filter == NULL)
		return error_say(err, ENOMEM, "linux.seccomp: start a filter");
	status = add_architectures(filter, profile, err);
	if (status < 0)
		return status;
	/* A search tree of the system call's number, in place of a chain of comparisons. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	status = add_rules(filter, profile, default_action, err);
	if (status < 0)
		return status;

	_cleanup_free_ struct sock_filter *program = NULL;
	unsigned short count;
	status = export(filter, &program, &count, err);
	if (status < 0)
		return status;
	if (refuses(default_action)) {
		status = add_newer(profile, filter, &program, &count, err);
		if (status < 0)
			return status;
	}
	seccomp_shrink(&program, &count);
	if (count > BPF_MAXINSNS)
		return error_say(err, E2BIG,
			"linux.seccomp: the filter has %u instructions, the kernel takes %d: leave "
			"rules or architectures out",
			count, BPF_MAXINSNS);
	*ret = take_ptr(&program);
	*ret_count = count;
	return 0;
}
