// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio watchdog (device type 35): of Hartbox, whose waiting time can be set, and of other machine monitors with the same queue (Cloud
 * Hypervisor), which wait for 20 s. To calm it, a buffer of one byte is given to the device, which writes 1 to it.
 */
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/watchdog.h>

#ifndef VIRTIO_ID_WATCHDOG
#define VIRTIO_ID_WATCHDOG 35
#endif
/* Of Hartbox: the configuration has the waiting time in milliseconds; 0 written to it switches the watchdog off. */
#define VIRTIO_WATCHDOG_F_TIMEOUT 0
#define HBWDT_FIXED 20
#define HBWDT_MAX 86400

static unsigned int timeout;
module_param(timeout, uint, 0444);
MODULE_PARM_DESC(timeout, "seconds that the device waits, 1 to 86400 (20 unless given)");
static bool nowayout = WATCHDOG_NOWAYOUT;
module_param(nowayout, bool, 0444);
MODULE_PARM_DESC(nowayout, "the watchdog cannot be stopped once it was started");

struct hbwdt {
	struct watchdog_device wdd;
	struct virtio_device *vdev;
	struct virtqueue *queue;
	/* Of the queue and of `busy`. */
	spinlock_t lock;
	/* The device has the byte. */
	bool busy;
	/* In a line of memory of its own: the device writes to it. */
	u8 *byte;
};

static void hbwdt_calmed(struct virtqueue *queue)
{
	struct hbwdt *dog = queue->vdev->priv;
	unsigned long flags;
	unsigned int length;

	spin_lock_irqsave(&dog->lock, flags);
	if (virtqueue_get_buf(queue, &length))
		dog->busy = false;
	spin_unlock_irqrestore(&dog->lock, flags);
}

static int hbwdt_ping(struct watchdog_device *wdd)
{
	struct hbwdt *dog = watchdog_get_drvdata(wdd);
	struct scatterlist byte;
	unsigned long flags;
	int error = 0;

	spin_lock_irqsave(&dog->lock, flags);
	/* What is on its way calms it as well. */
	if (!dog->busy) {
		sg_init_one(&byte, dog->byte, 1);
		error = virtqueue_add_inbuf(dog->queue, &byte, 1, dog, GFP_ATOMIC);
		if (!error) {
			dog->busy = true;
			virtqueue_kick(dog->queue);
		}
	}
	spin_unlock_irqrestore(&dog->lock, flags);
	return error;
}

static void hbwdt_write_timeout(struct hbwdt *dog, u32 seconds)
{
	__le32 value = cpu_to_le32(seconds * 1000);

	dog->vdev->config->set(dog->vdev, 0, &value, sizeof(value));
}

static int hbwdt_set_timeout(struct watchdog_device *wdd, unsigned int seconds)
{
	hbwdt_write_timeout(watchdog_get_drvdata(wdd), seconds);
	wdd->timeout = seconds;
	return 0;
}

static int hbwdt_stop(struct watchdog_device *wdd)
{
	hbwdt_write_timeout(watchdog_get_drvdata(wdd), 0);
	return 0;
}

static const struct watchdog_info hbwdt_info = {
	.options = WDIOF_SETTIMEOUT | WDIOF_KEEPALIVEPING | WDIOF_MAGICCLOSE,
	.identity = "virtio watchdog",
};
static const struct watchdog_ops hbwdt_ops = {
	.owner = THIS_MODULE,
	.start = hbwdt_ping,
	.stop = hbwdt_stop,
	.ping = hbwdt_ping,
	.set_timeout = hbwdt_set_timeout,
};

/* Of a device that cannot be told: the kernel calms it on its own as long as programs are in time, and for ever after they have closed it. */
static const struct watchdog_info hbwdt_fixed_info = {
	.options = WDIOF_KEEPALIVEPING | WDIOF_MAGICCLOSE,
	.identity = "virtio watchdog (20 s)",
};
static const struct watchdog_ops hbwdt_fixed_ops = {
	.owner = THIS_MODULE,
	.start = hbwdt_ping,
	.ping = hbwdt_ping,
};

static int hbwdt_probe(struct virtio_device *vdev)
{
	bool can_tell = virtio_has_feature(vdev, VIRTIO_WATCHDOG_F_TIMEOUT);
	struct hbwdt *dog;
	int error;

	dog = kzalloc(sizeof(*dog), GFP_KERNEL);
	if (!dog)
		return -ENOMEM;
	dog->byte = kzalloc(L1_CACHE_BYTES, GFP_KERNEL);
	if (!dog->byte) {
		error = -ENOMEM;
		goto free;
	}
	vdev->priv = dog;
	dog->vdev = vdev;
	spin_lock_init(&dog->lock);
	dog->queue = virtio_find_single_vq(vdev, hbwdt_calmed, "watchdog");
	if (IS_ERR(dog->queue)) {
		error = PTR_ERR(dog->queue);
		goto free;
	}
	virtio_device_ready(vdev);

	dog->wdd.info = can_tell ? &hbwdt_info : &hbwdt_fixed_info;
	dog->wdd.ops = can_tell ? &hbwdt_ops : &hbwdt_fixed_ops;
	dog->wdd.parent = &vdev->dev;
	dog->wdd.timeout = HBWDT_FIXED;
	if (can_tell) {
		dog->wdd.min_timeout = 1;
		dog->wdd.max_timeout = HBWDT_MAX;
		watchdog_init_timeout(&dog->wdd, timeout, NULL);
		hbwdt_write_timeout(dog, dog->wdd.timeout);
	} else {
		dog->wdd.max_hw_heartbeat_ms = HBWDT_FIXED * 1000 - 5000;
	}
	watchdog_set_nowayout(&dog->wdd, nowayout);
	watchdog_set_drvdata(&dog->wdd, dog);
	if (can_tell)
		watchdog_stop_on_reboot(&dog->wdd);
	error = watchdog_register_device(&dog->wdd);
	if (!error)
		return 0;
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
free:
	kfree(dog->byte);
	kfree(dog);
	return error;
}

static void hbwdt_remove(struct virtio_device *vdev)
{
	struct hbwdt *dog = vdev->priv;

	watchdog_unregister_device(&dog->wdd);
	/* Which switches it off. */
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
	kfree(dog->byte);
	kfree(dog);
}

static const struct virtio_device_id hbwdt_ids[] = {
	{ VIRTIO_ID_WATCHDOG, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, hbwdt_ids);

static const unsigned int hbwdt_features[] = { VIRTIO_WATCHDOG_F_TIMEOUT };

static struct virtio_driver hbwdt_driver = {
	.driver.name = "hartbox_wdt",
	.feature_table = hbwdt_features,
	.feature_table_size = ARRAY_SIZE(hbwdt_features),
	.id_table = hbwdt_ids,
	.probe = hbwdt_probe,
	.remove = hbwdt_remove,
};
module_virtio_driver(hbwdt_driver);

MODULE_DESCRIPTION("Watchdog of virtual machines, virtio device type 35");
MODULE_AUTHOR("Hartbox developers");
MODULE_LICENSE("GPL");
