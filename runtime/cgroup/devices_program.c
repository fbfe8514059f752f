/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules -> instructions (devices.h).
 *
 * Last match wins, so the program asks the rules from the last to the first, and keeps in r3 the
 * letters of the access that no rule has decided yet: a rule that allows takes its letters out, and
 * the access is allowed when none is left; a rule that denies ends it when one of its letters is
 * still there. (A test of "all asked letters are in this rule", as others do, lets an open for
 * reading and writing pass a rule that denies writing.)
 */
#include "runtime/cgroup/devices.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"

#define ACCESS_ALL (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD)
#define TYPE_ANY 0
#define NUMBER_ANY (-1)

/* Jumps reach 32767 instructions; a group of rules is at most this long. */
#define GROUP_MOST 12
#define PROGRAM_MOST 30000

/* Rules are compared pairwise to drop the dead ones, but only with this many. */
#define COMPARED_MOST 64

struct rule {
	bool allow;
	int type;	      /* BPF_DEVCG_DEV_…, or TYPE_ANY */
	int64_t major, minor; /* NUMBER_ANY: every one */
	unsigned int access;
};

/* Always allowed; config-linux.md "Default Devices", and mknod and /dev/net/tun as runc and crun.
 */
static const struct rule defaults[] = {
	{ true, TYPE_ANY, NUMBER_ANY, NUMBER_ANY, BPF_DEVCG_ACC_MKNOD },
	{ true, BPF_DEVCG_DEV_CHAR, 10, 200, ACCESS_ALL },	   /* net/tun */
	{ true, BPF_DEVCG_DEV_CHAR, 136, NUMBER_ANY, ACCESS_ALL }, /* pts */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 0, ACCESS_ALL },		   /* tty */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 1, ACCESS_ALL },		   /* console */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 2, ACCESS_ALL },		   /* ptmx */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 3, ACCESS_ALL },		   /* null */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 5, ACCESS_ALL },		   /* zero */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 7, ACCESS_ALL },		   /* full */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 8, ACCESS_ALL },		   /* random */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 9, ACCESS_ALL },		   /* urandom */
};

#define N_DEFAULTS (sizeof(defaults) / sizeof(defaults[0]))

static bool covers(const struct rule *wide, const struct rule *narrow)
{
	return (wide->type == TYPE_ANY || wide->type == narrow->type) &&
		(wide->major == NUMBER_ANY || wide->major == narrow->major) &&
		(wide->minor == NUMBER_ANY || wide->minor == narrow->minor) &&
		(narrow->access & ~wide->access) == 0;
}

static bool is_everything(const struct rule *rule)
{
	return rule->type == TYPE_ANY && rule->major == NUMBER_ANY && rule->minor == NUMBER_ANY &&
		rule->access == ACCESS_ALL;
}

static int read_rule(
	const struct oci_device_rule *from, size_t index, struct rule *ret, struct error *err)
{
	*ret = (struct rule){
		.allow = from->allow,
		.type = from->type == 'b'   ? BPF_DEVCG_DEV_BLOCK
			: from->type == 'c' ? BPF_DEVCG_DEV_CHAR
					    : TYPE_ANY,
		.major = from->major.set ? from->major.value : NUMBER_ANY,
		.minor = from->minor.set ? from->minor.value : NUMBER_ANY,
		.access = (from->read ? BPF_DEVCG_ACC_READ : 0U) |
			(from->write ? BPF_DEVCG_ACC_WRITE : 0U) |
			(from->mknod ? BPF_DEVCG_ACC_MKNOD : 0U),
	};
	/* The kernel's device numbers have 12 and 20 bits. */
	if (ret->major < NUMBER_ANY || ret->major >= 1 << 12 || ret->minor < NUMBER_ANY ||
		ret->minor >= 1 << 20)
		return error_say(err, EINVAL,
			"linux.resources.devices[%zu]: %" PRId64 ":%" PRId64
			" is not a device number",
			index, ret->major, ret->minor);
	return 0;
}

/*
 * The rules from the last to the first, without those that decide nothing. Returns 1 when
 * everything is allowed, 0, or a negative errno.
 */
static int reduce(const struct oci_resources *resources, struct rule *rules, size_t *ret_count,
	struct error *err)
{
	size_t n_given = resources != NULL ? resources->n_devices : 0, count = 0, last_allow = 0;
	bool all = true;

	for (size_t i = N_DEFAULTS + n_given; i-- > 0;) {
		struct rule rule;
		bool dead = false;

		if (i >= n_given) {
			rule = defaults[i - n_given];
		} else {
			int status = read_rule(&resources->devices[i], i, &rule, err);

			if (status < 0)
				return status;
		}
		for (size_t k = 0; k < count && k < COMPARED_MOST && !dead; k++)
			dead = covers(&rules[k], &rule);
		if (dead || rule.access == 0)
			continue;
		if (!rule.allow)
			all = false;
		if (is_everything(&rule) && all)
			return 1;
		rules[count++] = rule;
		if (rule.allow)
			last_allow = count;
		if (is_everything(&rule))
			break;
	}
	/* What is left at the end is denied anyway. */
	*ret_count = last_allow;
	return 0;
}

struct program {
	struct bpf_insn *insns;
	size_t count, room;
};

static void emit(struct program *program, __u8 code, unsigned int dst, unsigned int src, __s16 off,
	__s32 imm)
{
	program->insns[program->count++] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm
	};
}

#define MOV_IMM (BPF_ALU64 | BPF_MOV | BPF_K)
#define EXIT (BPF_JMP | BPF_EXIT)

static void emit_return(struct program *program, int value)
{
	emit(program, MOV_IMM, BPF_REG_0, 0, 0, value);
	emit(program, EXIT, 0, 0, 0, 0);
}

/* The kernel's bpf_cgroup_dev_ctx: type in the low half of the first word, access in the high. */
static void emit_prologue(struct program *program)
{
	const __u8 load = BPF_LDX | BPF_W | BPF_MEM;

	emit(program, load, BPF_REG_2, BPF_REG_1, 0, 0);
	emit(program, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(program, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(program, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	emit(program, load, BPF_REG_4, BPF_REG_1, 4, 0);
	emit(program, load, BPF_REG_5, BPF_REG_1, 8, 0);
}

/* How many rules from `first` on differ in nothing but a minor below 64. */
static size_t group_length(const struct rule *rules, size_t count, size_t first)
{
	const struct rule *one = &rules[first];
	size_t n = 1;

	if (one->minor < 0 || one->minor > 63)
		return 1;
	while (first + n < count) {
		const struct rule *other = &rules[first + n];

		if (other->allow != one->allow || other->type != one->type ||
			other->major != one->major || other->access != one->access ||
			other->minor < 0 || other->minor > 63)
			break;
		n++;
	}
	return n;
}

/* Jumps to the end of the group when the device is not one of the group's. */
static void emit_match(struct program *program, const struct rule *rules, size_t n)
{
	const __u8 not_equal = BPF_JMP | BPF_JNE | BPF_K;
	const struct rule *one = &rules[0];
	uint64_t minors = 0;

	if (one->type != TYPE_ANY)
		emit(program, not_equal, BPF_REG_2, 0, 0, one->type);
	if (one->major != NUMBER_ANY)
		emit(program, not_equal, BPF_REG_4, 0, 0, (__s32)one->major);
	if (n == 1 && one->minor != NUMBER_ANY)
		emit(program, not_equal, BPF_REG_5, 0, 0, (__s32)one->minor);
	if (n == 1)
		return;
	for (size_t i = 0; i < n; i++)
		minors |= UINT64_C(1) << rules[i].minor;
	emit(program, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_5, 0, 0, 63);
	emit(program, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_0, 0, 0, (__s32)(uint32_t)minors);
	emit(program, 0, 0, 0, 0, (__s32)(uint32_t)(minors >> 32));
	emit(program, BPF_ALU64 | BPF_RSH | BPF_X, BPF_REG_0, BPF_REG_5, 0, 0);
	emit(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0, 1);
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
}

/* What the group says once the device matches; falls or jumps to the end of the group otherwise. */
static void emit_verdict(struct program *program, const struct rule *rule)
{
	if (!rule->allow) {
		if (rule->access != ACCESS_ALL) {
			emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_3, 0, 0);
			emit(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0,
				(__s32)rule->access);
			emit(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
		}
		emit_return(program, 0);
		return;
	}
	if (rule->access != ACCESS_ALL) {
		emit(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0,
			(__s32)(ACCESS_ALL & ~rule->access));
		emit(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 0, 0);
	}
	emit_return(program, 1);
}

static void emit_group(struct program *program, const struct rule *rules, size_t n)
{
	size_t start = program->count;

	emit_match(program, rules, n);
	emit_verdict(program, &rules[0]);
	/* The conditional jumps all go to the next group. (0 is also the code of ld_imm64's half.)
	 */
	for (size_t i = start; i < program->count; i++) {
		struct bpf_insn *insn = &program->insns[i];

		if (BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_EXIT)
			insn->off = (__s16)(program->count - i - 1);
	}
}

int cgroup_devices_program(const struct oci_resources *resources, struct bpf_insn **ret_program,
	size_t *ret_count, struct error *err)
{
	size_t n_given = resources != NULL ? resources->n_devices : 0, count = 0;
	_cleanup_free_ struct rule *rules = calloc(n_given + N_DEFAULTS, sizeof(*rules));
	struct program program = { 0 };
	int status;

	if (rules == NULL)
		return error_set(err, ENOMEM, "linux.resources.devices");
	status = reduce(resources, rules, &count, err);
	if (status < 0)
		return status;
	if (status == 1) {
		*ret_program = NULL;
		*ret_count = 0;
		return 0;
	}
	if (count > PROGRAM_MOST / GROUP_MOST)
		return error_say(err, E2BIG,
			"linux.resources.devices: %zu rules are more than a device filter holds "
			"(%d): join them, for instance with wildcard minors",
			count, PROGRAM_MOST / GROUP_MOST);
	program.insns = calloc(count * GROUP_MOST + 16, sizeof(*program.insns));
	if (program.insns == NULL)
		return error_set(err, ENOMEM, "linux.resources.devices");
	emit_prologue(&program);
	for (size_t i = 0; i < count;) {
		size_t n = group_length(rules, count, i);

		emit_group(&program, rules + i, n);
		i += n;
	}
	/* Behind a rule for everything, the verifier would find unreachable code. */
	if (count == 0 || !is_everything(&rules[count - 1]))
		emit_return(&program, 0);
	*ret_program = program.insns;
	*ret_count = program.count;
	return 0;
}
