import { mount } from '@vue/test-utils';
import { expect, it } from 'vitest';
import ActivityChart from './activity-chart.vue';

it('shows what is now as its figure and what its top is at its top, which falls when the peak has left', async () => {
  const props = (values: number[]) => ({
    title: 'Network',
    now: `${values.at(-1)} B/s`,
    lines: [{ name: 'sent', now: `${values.at(-1)} B/s`, values }],
    times: values.map((_, at) => at),
    span: 120,
    least: 10,
    scale: (top: number) => `top ${top}`,
    label: 'Network',
  });
  const chart = mount(ActivityChart, { props: props([700, 0]) });
  expect(chart.get('figcaption').text()).toBe('Network0 B/s');
  expect(chart.get('[data-top]').text()).toBe('top 1000');
  await chart.setProps(props([0, 0]));
  expect(chart.get('[data-top]').text()).toBe('top 10');
  await chart.setProps(props([150 * 1024, 0]));
  expect(chart.get('[data-top]').text()).toBe(`top ${200 * 1024}`);
});
