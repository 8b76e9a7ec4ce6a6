/** The steepness of the straight line through points [x, y] with the least squares; 0 for fewer than two. */
export function slopeOf(points: readonly (readonly [number, number])[]): number {
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  let above = 0;
  let below = 0;
  for (const [px, py] of points) {
    above += (px - x) * (py - y);
    below += (px - x) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
