/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network.h"

#include <string.h>

#include "agent/devices.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/network/net_configure.h"
#include "runtime/vm/network/net_description.h"

#define CARD_WAIT_MS 5000

int network_apply(
	const char *description, const unsigned int *slots, size_t n_slots, struct error *err)
{
	_cleanup_(net_description_free) struct net_description wanted = { 0 };
	int status = net_description_read(description, strlen(description), &wanted, err);

	for (size_t i = 0; i < n_slots && status == 0; i++)
		status = device_bind(slots[i], err);
	if (status == 0)
		status = net_wait_for_interfaces(&wanted, CARD_WAIT_MS, err);
	return status < 0 ? status : net_configure(&wanted, err);
}
