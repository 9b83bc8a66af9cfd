import { VirtioDevice } from '../../engine/virtio/device';
import { RING_FEATURES, VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED } from '../../engine/virtio/features';
import type { DescriptorChain, Virtqueue } from '../../engine/virtio/queue';
import { MockDriver } from './mock-driver';

/** Does nothing by itself: tests take from its queue. */
class BareDevice extends VirtioDevice {
  readonly name = 'bare';
  readonly deviceId = 42;
  readonly queueSizes = [16];
  constructor() {
    super([], new DataView(new ArrayBuffer(0)));
  }
  get first(): Virtqueue {
    const queue = this.queue(0);
    if (!queue) throw new Error('The queue was not set up.');
    return queue;
  }
  protected override serve(): void {}
}

/** Both ends of one queue of 16 entries: the driver's, and the device's as devices see it. */
export function bareQueue(features: Iterable<number>): { driver: MockDriver; virtqueue: Virtqueue; takeAll: () => DescriptorChain[] } {
  const device = new BareDevice();
  const driver = MockDriver.for(device, undefined, { ringFeatures: [...RING_FEATURES, VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER] });
  driver.start({ features });
  const virtqueue = device.first;
  const takeAll = (): DescriptorChain[] => {
    const chains: DescriptorChain[] = [];
    for (let chain = virtqueue.take(); chain; chain = virtqueue.take()) chains.push(chain);
    return chains;
  };
  return { driver, virtqueue, takeAll };
}
