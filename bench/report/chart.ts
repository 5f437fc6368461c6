import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Curve } from '../bench-row.js';

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

/** `growth.svg`: what more rows cost. */
export async function writeChart(folder: string, curves: readonly Curve[]): Promise<void> {
  if (curves.length === 0) return;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 560 });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: 'How cost grows with size', left: 'center' },
    legend: { bottom: 0, type: 'plain' },
    grid: { left: 70, right: 40, top: 60, bottom: 110 },
    xAxis: { type: 'log', name: 'rows (n)', nameLocation: 'middle', nameGap: 30 },
    yAxis: { type: 'log', name: 'milliseconds' },
    series: curves.map(({ name, points }) => ({ type: 'line', name, data: points })),
  });
  await writeFile(join(folder, 'growth.svg'), chart.renderToSVGString());
  chart.dispose();
}
