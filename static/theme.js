// Runs before the page is drawn, so that it appears in the chosen colours at once.
{
  const root = document.documentElement;
  root.classList.add('scripted');
  try {
    const theme = localStorage.getItem('theme');
    if (theme) root.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system's colours are good.
  }
}
