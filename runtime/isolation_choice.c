/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/isolation.h"

#include <errno.h>
#include <string.h>

#include "config/oci.h"
#include "config/settings.h"
#include "lib/error.h"

int isolation_raise(const struct settings *settings, const struct oci_config *config,
	const struct isolation **isolation, struct error *err)
{
	const char *wanted = oci_config_annotation(config, ISOLATION_ANNOTATION);

	if (settings == NULL || wanted == NULL || strcmp(wanted, (*isolation)->name) == 0)
		return 0;
	if (strcmp(wanted, "vm") != 0)
		return error_say(err, EINVAL,
			"annotation " ISOLATION_ANNOTATION ": '%s': only 'vm' can be asked for: an "
			"annotation may raise the isolation (here %s), never lower it",
			wanted, (*isolation)->name);
	if (!settings_annotation_allowed(settings, ISOLATION_ANNOTATION))
		return error_say(err, EPERM,
			"annotation " ISOLATION_ANNOTATION ": not allowed here: add it to "
			"allowed_annotations in the settings, or use --isolation vm");
	*isolation = isolation_find(wanted);
	return 0;
}

void isolation_complete_config(
	const struct isolation *isolation, bool rootless, struct oci_config *config)
{
	/* All ids but the last, which is (uid_t)-1. Nothing writes to it. */
	static struct oci_id_mapping identity = { 0, 0, UINT32_MAX };
	struct oci_linux *linux_config = &config->linux;

	if (!isolation->user_namespace || rootless ||
		!linux_config->namespaces[OCI_NAMESPACE_MOUNT].set ||
		linux_config->namespaces[OCI_NAMESPACE_USER].set)
		return;
	linux_config->namespaces[OCI_NAMESPACE_USER].set = true;
	linux_config->uid_mappings = (struct oci_id_mappings){ &identity, 1 };
	linux_config->gid_mappings = (struct oci_id_mappings){ &identity, 1 };
}
