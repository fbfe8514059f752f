/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/credentials.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/log.h"

#define MASK_BITS 64

struct kernel_sets {
	struct __user_cap_data_struct words[2];
};

static const struct oci_capabilities nothing = { .set = true };

static int kernel_get(struct kernel_sets *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(SYS_capget, &header, ret->words);
}

static int kernel_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct kernel_sets sets = { .words = {
					    { (uint32_t)effective, (uint32_t)permitted,
						    (uint32_t)inheritable },
					    { (uint32_t)(effective >> 32),
						    (uint32_t)(permitted >> 32),
						    (uint32_t)(inheritable >> 32) },
				    } };

	return (int)syscall(SYS_capset, &header, sets.words);
}

int capabilities_bound(const struct oci_capabilities *wanted, struct error *err)
{
	uint64_t keep = wanted->set ? wanted->bounding : 0;

	for (unsigned int cap = 0; cap < MASK_BITS; cap++) {
		if (keep & (UINT64_C(1) << cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		/* The kernel's last capability is behind us: those above do not exist. */
		if (errno == EINVAL)
			break;
		return error_set(err, errno,
			"process.capabilities: drop capability %u from the "
			"bounding set (needs CAP_SETPCAP)",
			cap);
	}
	return 0;
}

uint64_t capabilities_grantable(
	const struct oci_capabilities *wanted, uint64_t have, struct oci_capabilities *ret)
{
	uint64_t asked = wanted->permitted | wanted->effective | wanted->inheritable |
		wanted->ambient | wanted->bounding;

	*ret = (struct oci_capabilities){ .set = true };
	ret->bounding = wanted->bounding & have;
	ret->permitted = wanted->permitted & have;
	/* capset(2): effective within permitted, inheritable within the bounding set;
	 * PR_CAP_AMBIENT_RAISE: within permitted and inheritable. */
	ret->effective = wanted->effective & ret->permitted;
	ret->inheritable = wanted->inheritable & ret->bounding;
	ret->ambient = wanted->ambient & ret->permitted & ret->inheritable;
	return (asked & ~have) | (wanted->effective & ~ret->effective) |
		(wanted->inheritable & ~ret->inheritable) | (wanted->ambient & ~ret->ambient);
}

static void warn_about(const struct oci_capabilities *wanted, uint64_t missing)
{
	char names[512] = "";
	size_t used = 0;

	for (unsigned int cap = 0; cap < MASK_BITS && used < sizeof(names); cap++) {
		if (!(missing & (UINT64_C(1) << cap)))
			continue;
		char *name = cap_to_name((cap_value_t)cap);
		int length = snprintf(names + used, sizeof(names) - used, "%s%s",
			used > 0 ? ", " : "", name != NULL ? name : "?");
		used += length > 0 ? (size_t)length : 0;
		cap_free(name);
	}
	if (missing != 0)
		log_warning("process.capabilities: not granted, because the caller or another of "
			    "the five sets lacks them: %s",
			names);
	for (size_t i = 0; i < wanted->unknown.count; i++)
		log_warning("process.capabilities: %s is not known here, and not granted",
			wanted->unknown.items[i]);
}

static int set_ambient(uint64_t ambient, uint64_t inheritable, struct error *err)
{
	/* capset(2) has already taken away what is not in both of the other sets. */
	if (inheritable == 0)
		return 0;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set(err, errno, "process.capabilities: clear the ambient set");
	for (unsigned int cap = 0; cap < MASK_BITS; cap++) {
		if (!(ambient & (UINT64_C(1) << cap)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return error_set(err, errno,
				"process.capabilities: raise capability %u in the ambient set",
				cap);
	}
	return 0;
}

int capabilities_apply(const struct oci_capabilities *wanted, uint64_t also, struct error *err)
{
	struct oci_capabilities granted;
	struct kernel_sets now;

	if (!wanted->set)
		wanted = &nothing;
	if (kernel_get(&now) < 0)
		return error_set(err, errno, "process.capabilities: read the process's sets");

	uint64_t have = now.words[0].permitted | (uint64_t)now.words[1].permitted << 32;
	uint64_t missing = capabilities_grantable(wanted, have, &granted);

	/* Root has no use for ambient capabilities, and many configs give it some in vain. */
	if (geteuid() == 0)
		missing &= ~(wanted->ambient & have & ~granted.ambient);

	/* The ambient set goes with the last call: it needs what capset() grants. */
	also &= have;
	if (kernel_set(granted.effective | also, granted.permitted | also, granted.inheritable) < 0)
		return error_set(err, errno,
			"process.capabilities: set effective 0x%llx, permitted 0x%llx, inheritable "
			"0x%llx",
			(unsigned long long)granted.effective,
			(unsigned long long)granted.permitted,
			(unsigned long long)granted.inheritable);
	if (also != 0)
		return 0;
	if (missing != 0 || wanted->unknown.count > 0)
		warn_about(wanted, missing);
	return set_ambient(granted.ambient, granted.inheritable, err);
}
