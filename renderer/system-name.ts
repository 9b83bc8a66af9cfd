import { useI18n } from 'vue-i18n';
import type { ImageView } from '../main/image-contract';

/** What a system is called: those that Hartbox makes itself in the language of the window, others as their projects call them. */
export function useSystemName(): (image: Pick<ImageView, 'name' | 'variant'>) => string {
  const { t } = useI18n();
  return ({ name, variant }) => (variant ? t(`systems.name.${variant}`) : name);
}
